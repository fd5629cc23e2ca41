//! Which streams several workers may share (rules 4, 5, 7 and 8 of eligibility), and in what order
//! tables that refer to each other are loaded. Pure.
//!
//! A transaction does not see what its siblings write, and waits where they meet on a key: such a
//! stream gets one worker, and the reason is a part of the plan.

use super::key_ranges;
use crate::postgres::catalog::{Key, Relation, RelationKind};

/// Why the source relation itself keeps a stream from being sharded (rule 4), if it does.
#[must_use]
pub fn ineligible_relation(relation: &Relation) -> Option<String> {
    match relation.kind {
        RelationKind::Table if relation.has_children => {
            return Some("other tables inherit from it".to_owned());
        }
        RelationKind::Table | RelationKind::MaterialisedView | RelationKind::Partitioned => {}
        RelationKind::View => return Some("it is a view, which has no row addresses".to_owned()),
        RelationKind::Foreign => {
            return Some("it is a foreign table, which has no row addresses".to_owned());
        }
        RelationKind::Other => return Some("it is not a table".to_owned()),
    }
    let of_a_leaf = relation.leaves.iter().find_map(|leaf| {
        let what = if leaf.name == relation.name {
            "it".to_owned()
        } else {
            format!("partition {}", leaf.name)
        };
        if !leaf.heap {
            Some(format!("{what} is not a heap table"))
        } else if !leaf.selectable {
            Some(format!("this role may not SELECT from {what} by itself"))
        } else if leaf.row_security {
            Some(format!("row security applies to {what}"))
        } else {
            None
        }
    });
    of_a_leaf.or_else(|| key_ranges::uncut(relation))
}

/// Why rows of an upsert may be the same row to two workers (rule 5), if they may: the key must be
/// unique and not null in the source.
#[must_use]
pub fn unsure_key(source: &Relation, key: &[String]) -> Option<String> {
    let never_null = |name: &String| source.column(name).is_some_and(|c| c.not_null);
    let unique = source.keys.iter().any(|k| {
        !k.exclusion
            && !k.of_partition
            && !k.partial
            && !k.columns.is_empty()
            && k.columns.iter().all(|column| key.contains(column))
    });
    (!unique || !key.iter().all(never_null)).then(|| {
        format!(
            "the source does not guarantee that ({}) is unique and not null",
            key.join(", ")
        )
    })
}

/// Why keys of the target let two workers meet (rule 7), if they do.
///
/// A key is safe where no two source rows can have equal values for it: its columns arrive from
/// source columns, of the same type and collation, that hold a unique key of the source.
#[must_use]
pub fn meeting_key(source: &Relation, columns: &[String], target: &Relation) -> Option<String> {
    target.keys.iter().find(|key| !is_guarded(source, columns, target, key)).map(|key| {
        let kind = if key.exclusion { "exclusion constraint" } else { "unique key" };
        format!("two workers could meet on the target's {kind} {}, which the source does not guarantee", key.name)
    })
}

fn is_guarded(source: &Relation, columns: &[String], target: &Relation, key: &Key) -> bool {
    let arrives_unchanged = |name: &String| {
        columns.contains(name)
            && match (source.column(name), target.column(name)) {
                (Some(a), Some(b)) => {
                    a.type_name == b.type_name && a.effective_collation == b.effective_collation
                }
                _ => false,
            }
    };
    if key.exclusion || key.partial || key.columns.is_empty() {
        // expressions and predicates are compared as a whole; their columns cannot be told apart
        return columns.iter().all(arrives_unchanged)
            && source
                .keys
                .iter()
                .filter(|k| !k.of_partition)
                .any(|k| k.definition == key.definition && k.exclusion == key.exclusion);
    }
    if !key.columns.iter().all(arrives_unchanged) {
        // a column that does not come from the source takes its default: a sequence or a constant
        return false;
    }
    source.keys.iter().any(|k| {
        !k.exclusion
            && !k.of_partition
            && !k.partial
            && !k.columns.is_empty()
            && k.columns.iter().all(|column| key.columns.contains(column))
            && (!key.nulls_equal
                || k.nulls_equal
                || k.columns
                    .iter()
                    .all(|c| source.column(c).is_some_and(|c| c.not_null)))
    })
}

/// A foreign key between targets of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The stream whose target refers.
    pub from: usize,
    /// The stream whose target is referred to.
    pub to: usize,
    /// The constraint.
    pub constraint: String,
    /// Whether it can wait until the commit.
    pub deferrable: bool,
}

/// Streams in foreign-key groups (rule 8): each group in an order that puts parents first, and
/// whether its constraints must be deferred. Streams without references are in no group.
pub fn group_by_references(
    streams: usize,
    references: &[Reference],
) -> std::result::Result<Vec<(Vec<usize>, bool)>, String> {
    let mut group_of: Vec<usize> = (0..streams).collect();
    for reference in references {
        let (a, b) = (group_of[reference.from], group_of[reference.to]);
        for group in &mut group_of {
            if *group == b {
                *group = a;
            }
        }
    }
    let mut groups = Vec::new();
    for group in 0..streams {
        let members: Vec<usize> = (0..streams)
            .filter(|&s| {
                group_of[s] == group && references.iter().any(|r| r.from == s || r.to == s)
            })
            .collect();
        if !members.is_empty() {
            groups.push(parents_first(members, references)?);
        }
    }
    Ok(groups)
}

fn parents_first(
    mut left: Vec<usize>,
    references: &[Reference],
) -> std::result::Result<(Vec<usize>, bool), String> {
    let (mut order, mut deferred) = (Vec::new(), false);
    while !left.is_empty() {
        let waits_for = |s: usize| references.iter().filter(move |r| r.from == s && r.to != s);
        let free = left
            .iter()
            .position(|&s| waits_for(s).all(|r| !left.contains(&r.to)));
        let next = if let Some(i) = free {
            i
        } else {
            // a cycle: break it where everything that is not there yet can wait
            deferred = true;
            left.iter()
                .position(|&s| waits_for(s).filter(|r| left.contains(&r.to)).all(|r| r.deferrable))
                .ok_or_else(|| {
                    let names: Vec<&str> = references
                        .iter()
                        .filter(|r| left.contains(&r.from) && left.contains(&r.to))
                        .map(|r| r.constraint.as_str())
                        .collect();
                    format!(
                        "the targets refer to each other in a circle, and the constraints ({}) are not DEFERRABLE",
                        names.join(", ")
                    )
                })?
        };
        order.push(left.remove(next));
    }
    Ok((order, deferred))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::catalog::{Column, Cut, Leaf, Name};

    fn leaf(blocks: u32, bytes: u64) -> Leaf {
        Leaf {
            name: Name::new("public", "t"),
            heap: true,
            selectable: true,
            row_security: false,
            blocks,
            bytes,
            cut: Cut::Address,
        }
    }

    fn reference(from: usize, to: usize, deferrable: bool) -> Reference {
        Reference {
            from,
            to,
            constraint: format!("fk_{from}_{to}"),
            deferrable,
        }
    }

    #[test]
    fn parents_come_before_children_and_strangers_stay_out() {
        let groups =
            group_by_references(4, &[reference(0, 2, false), reference(2, 3, false)]).unwrap();
        assert_eq!(groups, vec![(vec![3, 2, 0], false)]);
    }

    #[test]
    fn a_self_reference_is_a_group_of_its_own() {
        assert_eq!(
            group_by_references(2, &[reference(1, 1, false)]).unwrap(),
            vec![(vec![1], false)]
        );
    }

    #[test]
    fn a_circle_needs_deferrable_constraints() {
        let groups =
            group_by_references(2, &[reference(0, 1, true), reference(1, 0, false)]).unwrap();
        assert_eq!(groups, vec![(vec![0, 1], true)]);
        let refused =
            group_by_references(2, &[reference(0, 1, false), reference(1, 0, false)]).unwrap_err();
        assert!(refused.contains("fk_0_1, fk_1_0"), "{refused}");
    }

    fn relation(keys: Vec<Key>) -> Relation {
        let column = |name: &str, not_null| Column {
            not_null,
            ..Column::plain(name, "bigint", 20)
        };
        Relation {
            oid: 1,
            name: Name::new("public", "t"),
            kind: RelationKind::Table,
            has_children: false,
            columns: vec![column("a", true), column("b", false)],
            leaves: vec![leaf(100, 100 * 8192)],
            keys,
            identity: Vec::new(),
        }
    }

    fn key(columns: &[&str]) -> Key {
        Key {
            name: "k".into(),
            columns: columns.iter().map(ToString::to_string).collect(),
            definition: format!("USING btree ({})", columns.join(", ")),
            partial: false,
            deferrable: false,
            exclusion: false,
            nulls_equal: false,
            of_partition: false,
        }
    }

    #[test]
    fn a_target_key_is_safe_where_the_source_guarantees_it() {
        let columns = ["a".to_owned(), "b".to_owned()];
        let meets = |source: Vec<Key>, target: Vec<Key>| {
            meeting_key(&relation(source), &columns, &relation(target)).is_some()
        };
        assert!(!meets(vec![key(&["a"])], vec![key(&["a"])]));
        assert!(
            !meets(vec![key(&["a"])], vec![key(&["b", "a"])]),
            "a subset that is unique guards the whole"
        );
        assert!(meets(vec![], vec![key(&["a"])]));
        assert!(meets(vec![key(&["a", "b"])], vec![key(&["a"])]));
        assert!(meets(
            vec![Key {
                partial: true,
                ..key(&["a"])
            }],
            vec![key(&["a"])]
        ));
        let expression = Key {
            columns: vec![],
            definition: "USING btree (lower(a))".into(),
            ..key(&[])
        };
        assert!(meets(vec![key(&["a"])], vec![expression.clone()]));
        assert!(!meets(vec![expression.clone()], vec![expression]));
        let nulls_equal = Key {
            nulls_equal: true,
            of_partition: false,
            ..key(&["b"])
        };
        assert!(
            meets(vec![key(&["b"])], vec![nulls_equal.clone()]),
            "two NULLs of the source would meet"
        );
        assert!(!meets(
            vec![key(&["a"])],
            vec![Key {
                columns: vec!["a".into()],
                ..nulls_equal
            }]
        ));
    }

    #[test]
    fn a_key_over_a_column_that_is_not_copied_lets_workers_meet() {
        let target = relation(vec![key(&["b"])]);
        assert!(meeting_key(&relation(vec![key(&["b"])]), &["a".to_owned()], &target).is_some());
    }

    #[test]
    fn relations_without_row_addresses_get_one_worker() {
        let mut view = relation(vec![]);
        view.kind = RelationKind::View;
        assert!(ineligible_relation(&view).unwrap().contains("view"));
        let mut inherited = relation(vec![]);
        inherited.has_children = true;
        assert!(ineligible_relation(&inherited).unwrap().contains("inherit"));
        let mut secured = relation(vec![]);
        secured.leaves[0].row_security = true;
        assert!(
            ineligible_relation(&secured)
                .unwrap()
                .contains("row security")
        );
        assert_eq!(ineligible_relation(&relation(vec![])), None);
    }
}
