//! Whether transforms are row-wise: their rows over every chunk together are those over the whole.
//!
//! Judged by the plan that the source itself makes (EXPLAIN VERBOSE, FORMAT JSON), never by reading
//! the queries. Pure. What is not known is not row-wise.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::expression::{self, Uses};
use crate::postgres::catalog::Name;

/// The blocks of the chunk that is planned: any other query of the relation will not name them.
pub const BLOCKS: (u32, u32) = (4_000_000_001, 4_000_000_002);

/// What a plan scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The range [`BLOCKS`] of one heap.
    Chunk,
    /// All leaves of a partitioned table.
    Whole,
}

const NOT_ONCE: &str = "its plan does not read each row of `input` once";

/// What the plan of transforms shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Why its shape is not row-wise, if it is not.
    pub shape: Option<String>,
    /// What its expressions use.
    pub uses: Uses,
    /// Output columns, by number from 0, that are a column of the scanned relation and nothing else.
    /// None is known where a row may come out more than once.
    pub unchanged: BTreeMap<usize, String>,
}

/// Keys of a plan node whose texts are no expressions (explain.c: `ExplainNode`).
const NO_EXPRESSIONS: &[&str] = &[
    "Alias",
    "CTE Name",
    "Cache Mode",
    "Command",
    "Custom Plan Provider",
    "Function Name",
    "Index Name",
    "Join Type",
    "Node Type",
    "Operation",
    "Parent Relationship",
    "Partial Mode",
    "Relation Name",
    "Scan Direction",
    "Schema",
    "Strategy",
    "Subplan Name",
];

/// Judges a plan over `leaves`; `texts` are columns whose values are texts of some sort.
#[must_use]
pub fn judge(plan: &Value, leaves: &[&Name], scope: Scope, texts: &BTreeSet<String>) -> Judgement {
    let mut reader = Reader {
        scope,
        texts,
        scans: Vec::new(),
        judgement: Judgement::default(),
    };
    reader.node(plan);
    let Reader {
        scans,
        mut judgement,
        ..
    } = reader;
    let expected = match scope {
        Scope::Chunk => scans.len() == 1,
        Scope::Whole => true,
    };
    let each_once = scans.iter().collect::<BTreeSet<_>>().len() == scans.len();
    if judgement.shape.is_none()
        && !(expected && each_once && scans.iter().all(|scan| leaves.contains(&scan)))
    {
        judgement.shape = Some(NOT_ONCE.to_owned());
    }
    judgement.unchanged = unchanged(plan);
    judgement
}

struct Reader<'a> {
    scope: Scope,
    texts: &'a BTreeSet<String>,
    scans: Vec<Name>,
    judgement: Judgement,
}

impl Reader<'_> {
    fn node(&mut self, node: &Value) {
        let text = |key: &str| node[key].as_str().unwrap_or_default();
        let kind = text("Node Type");
        let problem = match (text("Parent Relationship"), kind) {
            (place @ ("InitPlan" | "SubPlan"), _) => {
                Some(format!("its plan has a sub-select ({place})"))
            }
            (_, "Seq Scan" | "Tid Range Scan" | "Tid Scan") => {
                self.scans
                    .push(Name::new(text("Schema"), text("Relation Name")));
                // the same table, read beside `input`, would come out whole for every chunk
                let cut = [BLOCKS.0, BLOCKS.1].iter().all(|block| {
                    let bound = format!("'({block},0)'");
                    text("TID Cond").contains(&bound) || text("Filter").contains(&bound)
                });
                (self.scope == Scope::Chunk && !cut).then(|| NOT_ONCE.to_owned())
            }
            (_, "Result" | "Subquery Scan" | "ProjectSet") => None,
            (_, "Append") if self.scope == Scope::Whole => None,
            (_, kind) => Some(format!("its plan has the node {kind}")),
        };
        if self.judgement.shape.is_none() {
            self.judgement.shape = problem;
        }
        // above the scan a name may be another column's
        let texts = node.get("Plans").is_none().then_some(self.texts);
        for (key, value) in node.as_object().into_iter().flatten() {
            if NO_EXPRESSIONS.contains(&key.as_str()) {
                continue;
            }
            let several = value.as_array().into_iter().flatten();
            for expression in several.chain([value]).filter_map(Value::as_str) {
                expression::collect(expression, texts, &mut self.judgement.uses);
            }
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.node(child);
        }
    }
}

/// Where the scan is the whole plan, its output is the query's.
fn unchanged(plan: &Value) -> BTreeMap<usize, String> {
    let alias = plan["Alias"].as_str();
    let (Some(alias), None, Some(output)) = (alias, plan.get("Plans"), plan["Output"].as_array())
    else {
        return BTreeMap::new();
    };
    output
        .iter()
        .enumerate()
        .filter_map(|(i, text)| {
            let (relation, column) = expression::plain_column(text.as_str()?)?;
            (relation == alias).then_some((i, column))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scan(output: &[&str]) -> Value {
        json!({
            "Node Type": "Tid Range Scan", "Schema": "public", "Relation Name": "t", "Alias": "t",
            "Output": output, "Plan Rows": 5, "TID Cond": "((t.ctid >= '(4000000001,0)'::tid) AND (t.ctid < '(4000000002,0)'::tid))", "Filter": "(abs(t.id) > 5)"
        })
    }

    fn of(plan: &Value) -> Judgement {
        judge(
            plan,
            &[&Name::new("public", "t")],
            Scope::Chunk,
            &BTreeSet::new(),
        )
    }

    #[test]
    fn one_scan_of_the_relation_is_row_wise_and_shows_what_passes_unchanged() {
        let found = of(&scan(&["t.id", "lower(t.name)", "t.\"At\""]));
        assert_eq!(found.shape, None);
        assert_eq!(
            found.unchanged,
            BTreeMap::from([(0, "id".to_owned()), (2, "At".to_owned())])
        );
        assert!(found.uses.functions.contains("lower") && found.uses.functions.contains("abs"));
    }

    #[test]
    fn rows_that_are_multiplied_keep_no_column_for_a_key() {
        let found = of(&json!({
            "Node Type": "ProjectSet", "Output": ["t.id", "generate_series(1, 2)"],
            "Plans": [scan(&["t.id"])]
        }));
        assert_eq!(found.shape, None);
        assert!(found.unchanged.is_empty());
    }

    #[test]
    fn another_node_a_sub_select_another_relation_or_none_is_not_row_wise() {
        let over = |kind: &str, children: &[Value]| json!({ "Node Type": kind, "Plans": children });
        let sub = json!({ "Node Type": "Seq Scan", "Schema": "public", "Relation Name": "t", "Parent Relationship": "SubPlan" });
        let mut renamed = scan(&[]);
        renamed["Relation Name"] = json!("other");
        for (plan, why) in [
            (over("Limit", &[scan(&[])]), "the node Limit"),
            (over("Append", &[scan(&[]), scan(&[])]), "the node Append"),
            (
                over("Result", &[scan(&[]), scan(&[])]),
                "each row of `input` once",
            ),
            (over("Result", &[]), "each row of `input` once"),
            (over("Result", &[sub]), "a sub-select (SubPlan)"),
            (
                json!({ "Node Type": "Seq Scan", "Schema": "public", "Relation Name": "t", "Filter": "(t.id > 5)" }),
                "each row",
            ),
            (renamed, "each row"),
            (json!({}), "the node "),
        ] {
            let shape = of(&plan).shape.unwrap_or_default();
            assert!(shape.contains(why), "{plan}: {shape}");
        }
    }
}
