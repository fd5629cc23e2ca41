//! What the plan promises: disjoint and complete cuts, honest commit forms, parents first.

use proptest::prelude::*;

use super::*;
use crate::postgres::catalog::Column;

fn leaf(blocks: u32, bytes: u64) -> Leaf {
    Leaf {
        name: Name::new("public", "t"),
        heap: true,
        selectable: true,
        row_security: false,
        blocks,
        bytes,
    }
}

proptest! {
    #[test]
    fn cuts_are_disjoint_and_cover_every_block(blocks in 0u32..100_000, bytes in 0u64..1 << 40, chunk in 1u64..1 << 32) {
        let chunks = cut(0, &leaf(blocks, bytes), chunk);
        prop_assert!(chunks[0].from_block.is_none());
        prop_assert!(chunks[chunks.len() - 1].to_block.is_none());
        for pair in chunks.windows(2) {
            prop_assert_eq!(pair[0].to_block, pair[1].from_block);
            prop_assert!(pair[0].from_block.unwrap_or(0) < pair[0].to_block.unwrap());
        }
    }
}

fn inputs(workers: u32, existing: usize, missing: usize, prepared_slots: u32) -> CommitInputs {
    CommitInputs {
        choice: CommitChoice::Auto,
        workers,
        existing,
        missing,
        prepared_slots,
    }
}

#[test]
fn auto_takes_the_strongest_commit_form_there_is() {
    let form = |inputs| choose_commit(inputs).unwrap().0;
    assert_eq!(form(inputs(1, 1, 0, 64)), CommitForm::SingleWriter);
    assert_eq!(form(inputs(4, 0, 2, 0)), CommitForm::BuiltAside);
    assert_eq!(form(inputs(4, 2, 0, 64)), CommitForm::TwoPhase);
    assert_eq!(form(inputs(4, 1, 1, 64)), CommitForm::SingleWriter);
    assert_eq!(form(inputs(4, 1, 0, 3)), CommitForm::Ledger);
    assert_eq!(form(inputs(4, 1, 1, 0)), CommitForm::SingleWriter);
}

#[test]
fn a_commit_form_that_cannot_be_is_refused_with_the_reason() {
    let asked = |choice, base| choose_commit(CommitInputs { choice, ..base }).unwrap_err();
    assert!(
        asked(CommitChoice::TwoPhase, inputs(4, 1, 0, 3)).contains("needs 4 prepared transactions")
    );
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
    let groups = group_by_references(4, &[reference(0, 2, false), reference(2, 3, false)]).unwrap();
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
    let groups = group_by_references(2, &[reference(0, 1, true), reference(1, 0, false)]).unwrap();
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
    }
}

fn key(columns: &[&str]) -> Key {
    Key {
        name: "k".into(),
        columns: columns.iter().map(ToString::to_string).collect(),
        definition: format!("USING btree ({})", columns.join(", ")),
        partial: false,
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

#[test]
fn units_come_largest_first_and_busy_workers_are_counted() {
    let stream = |blocks, fan_out| StreamSpec {
        source: Name::new("public", "t"),
        target: None,
        load_into: None,
        columns: vec![],
        origin: Origin::Relation(Box::new(Relation {
            leaves: vec![leaf(blocks, u64::from(blocks) * 8192)],
            ..relation(vec![])
        })),
        format: CopyFormat::Binary,
        why_text: None,
        fan_out,
        why_one_worker: (fan_out == 1).then(|| "view".to_owned()),
    };
    let plan = lay_out(vec![stream(10, 1), stream(4000, 2)], &[], 8, None);
    assert_eq!(plan.workers, 3);
    assert!(
        plan.units
            .windows(2)
            .all(|pair| pair[0].bytes() >= pair[1].bytes())
    );
    let one = lay_out(vec![stream(0, 2)], &[], 8, None);
    assert_eq!((one.units.len(), one.workers), (1, 1));
}
