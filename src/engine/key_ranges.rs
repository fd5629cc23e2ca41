//! Ranges of a key, for sources that read no ranges of row addresses: before PostgreSQL 14 each of
//! those costs a scan of the whole table.
//!
//! The cuts only have to be in order: the first and the last range are open-ended, so whatever they
//! are, every key lies in exactly one. Statistics make the ranges even, and nothing more.

use crate::error::Result;
use crate::postgres::catalog::{Cut, Leaf, Relation, RelationKind};
use crate::postgres::{Session, quote_ident, quote_literal};

/// The first version whose planner reads ranges of row addresses (TID range scan).
const READS_ADDRESSES: u32 = 140_000;
/// OIDs of int8, int2, int4 (`pg_type.dat`).
const WHOLE_NUMBERS: [u32; 3] = [20, 21, 23];
/// Ranges between the smallest and the largest key where statistics do not say better.
const EVEN_RANGES: i128 = 256;
/// How much of all keys statistics may miss at either end, as one part of so many.
const MISSES: i128 = 10;

/// Finds out how the relation's heaps can be read in parts on a server of this version.
pub async fn find(session: &Session, version: u32, relation: &mut Relation) -> Result<()> {
    if version >= READS_ADDRESSES {
        return Ok(());
    }
    let key = key(relation).map(str::to_owned);
    for leaf in relation.leaves.iter_mut().filter(|leaf| leaf.heap) {
        leaf.cut = match &key {
            Some(column) if leaf.selectable => Cut::Key {
                column: column.clone(),
                bounds: bounds_of(session, leaf, column).await?,
            },
            _ => Cut::Whole,
        };
    }
    Ok(())
}

/// A key of one whole number that is never NULL.
fn key(relation: &Relation) -> Option<&str> {
    let keys = relation.keys.iter().filter(|key| {
        !(key.exclusion || key.partial || key.of_partition || key.deferrable)
            && key.columns.len() == 1
    });
    let mut columns = keys.filter_map(|key| relation.column(&key.columns[0]));
    let fits = |column: &&crate::postgres::catalog::Column| {
        column.not_null && WHOLE_NUMBERS.contains(&column.type_oid)
    };
    columns.find(fits).map(|column| column.name.as_str())
}

/// Why a relation cannot be read in parts, if it cannot.
#[must_use]
pub fn uncut(relation: &Relation) -> Option<String> {
    let whole = relation.leaves.iter().all(|leaf| leaf.cut == Cut::Whole);
    let one = relation.kind != RelationKind::Partitioned || relation.leaves.len() == 1;
    (whole && one && !relation.leaves.is_empty()).then(|| {
        "PostgreSQL before 14 reads no ranges of row addresses, and it has no unique, NOT NULL key of one whole number \
         to be cut by instead"
            .to_owned()
    })
}

/// What the user should know of how a relation is cut.
#[must_use]
pub fn note(relation: &Relation) -> Option<String> {
    relation.leaves.iter().find_map(|leaf| match &leaf.cut {
        Cut::Key { column, .. } => Some(format!(
            "{} is cut by its key {column}: PostgreSQL before 14 reads no ranges of row addresses",
            relation.name
        )),
        Cut::Address | Cut::Whole => None,
    })
}

/// Where a heap's keys can be cut.
async fn bounds_of(session: &Session, leaf: &Leaf, column: &str) -> Result<Vec<i64>> {
    let doing = format!("looking at the keys of {}", leaf.name);
    let sql = format!(
        "SELECT pg_catalog.min({0}), pg_catalog.max({0}) FROM ONLY {1}",
        quote_ident(column),
        leaf.name.sql()
    );
    let row = session.row(&sql, &doing).await?;
    let number = |i: usize| row.get(i).and_then(|text| text.parse().ok());
    let (Some(least), Some(most)) = (number(0), number(1)) else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT pg_catalog.unnest(histogram_bounds::pg_catalog.text::pg_catalog.int8[]) FROM pg_catalog.pg_stats \
         WHERE schemaname = {} AND tablename = {} AND attname = {} AND NOT inherited",
        quote_literal(&leaf.name.schema),
        quote_literal(&leaf.name.relation),
        quote_literal(column)
    );
    let rows = session.rows(&sql, &doing).await?;
    let histogram: Vec<i64> = rows
        .iter()
        .filter_map(|row| row.get(0)?.parse().ok())
        .collect();
    Ok(bounds(least, most, &histogram))
}

/// Where to cut keys from `least` to `most`: between even numbers of rows where the histogram still
/// covers them, else in even steps. In order, each once, and above `least`.
fn bounds(least: i64, most: i64, histogram: &[i64]) -> Vec<i64> {
    let (low, high) = (i128::from(least), i128::from(most));
    let width = high - low;
    let covers = match (histogram.first(), histogram.last()) {
        (Some(begin), Some(end)) => {
            let missed = (i128::from(*begin) - low).max(high - i128::from(*end));
            missed * MISSES <= width
        }
        _ => false,
    };
    let mut bounds: Vec<i64> = if covers {
        histogram.to_vec()
    } else {
        (1..EVEN_RANGES)
            .filter_map(|i| i64::try_from(low + width * i / EVEN_RANGES).ok())
            .collect()
    };
    bounds.retain(|bound| *bound > least && *bound <= most);
    bounds.sort_unstable();
    bounds.dedup();
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn statistics_that_cover_the_keys_are_used_and_others_are_not() {
        assert_eq!(bounds(1, 100, &[1, 10, 20, 95]), [10, 20, 95]);
        // the table has grown tenfold since they were gathered
        assert_eq!(bounds(1, 1000, &[1, 10, 20, 95]).len(), 255);
        assert_eq!(bounds(5, 5, &[]), [0_i64; 0]);
        assert_eq!(bounds(1, 3, &[]), [2]);
        assert_eq!(bounds(i64::MIN, i64::MAX, &[]).len(), 255);
    }

    proptest! {
        #[test]
        fn bounds_are_in_order_and_leave_no_range_empty_of_numbers(
            a in any::<i64>(), b in any::<i64>(), histogram in prop::collection::vec(any::<i64>(), 0..20)
        ) {
            let (least, most) = (a.min(b), a.max(b));
            let mut histogram = histogram;
            histogram.sort_unstable();
            let found = bounds(least, most, &histogram);
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(found.iter().all(|bound| *bound > least && *bound <= most));
        }
    }
}
