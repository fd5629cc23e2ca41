//! What the plan promises: disjoint and complete cuts, honest commit forms, units.

use proptest::prelude::*;

use super::*;
use crate::postgres::catalog::RelationKind;

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
        replaced: 0,
        altered: false,
        prepared_slots,
    }
}

#[test]
fn what_is_replaced_is_built_aside_whatever_is_asked_for() {
    for choice in [
        CommitChoice::Auto,
        CommitChoice::SingleWriter,
        CommitChoice::Ledger,
    ] {
        for workers in [1, 4] {
            let replaced = CommitInputs {
                choice,
                replaced: 2,
                ..inputs(workers, 0, 1, 64)
            };
            assert_eq!(choose_commit(replaced).unwrap().0, CommitForm::BuiltAside);
        }
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
    let refused = asked(CommitChoice::TwoPhase, inputs(4, 1, 0, 3));
    for part in [
        "commit: two_phase needs 4 prepared transactions",
        "; raise max_prepared_transactions, or use commit: auto",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn units_come_largest_first_and_busy_workers_are_counted() {
    let stream = |blocks, fan_out| StreamSpec {
        source: Name::new("public", "t"),
        target: None,
        load_into: None,
        columns: vec![],
        origin: Origin::Relation(Box::new(Relation {
            oid: 1,
            name: Name::new("public", "t"),
            kind: RelationKind::Table,
            has_children: false,
            columns: vec![],
            leaves: vec![leaf(blocks, u64::from(blocks) * 8192)],
            keys: vec![],
            identity: vec![],
        })),
        transform: None,
        format: CopyFormat::Binary,
        why_text: None,
        fan_out,
        why_one_worker: (fan_out == 1).then(|| "view".to_owned()),
        only: None,
        upsert: None,
        frozen: false,
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
