//! Making a dataset's rows: once for each digest, never by halves, never more than is kept.

mod support;

use std::sync::Arc;

use rb_bench::bench::artifact::Iteration;
use rb_bench::bench::dataset::{ColumnDefinition, Dataset, TableDefinition};
use rb_bench::bench::progress::{Progress, Sample, Silent, Upcoming};
use rb_bench::bench::seed;
use rb_bench::postgres::Server;
use support::fresh_database;
use tokio_util::sync::CancellationToken;

/// A dataset of `rows` rows with a setup table.
fn dataset(rows: u64) -> Dataset {
    let column = |name: &str, sql_type: &str, expr: &str| ColumnDefinition {
        name: name.into(),
        sql_type: sql_type.into(),
        primary_key: name == "id",
        not_null: true,
        expr: expr.into(),
    };
    Dataset {
        setup: vec![
            "CREATE TABLE words AS SELECT 'w' || k AS word, k FROM generate_series(0, 9) k".into(),
        ],
        tables: vec![TableDefinition {
            table: "seeded".into(),
            rows,
            row_bytes: None,
            columns: vec![
                column("id", "bigint", "i"),
                column("word", "text", "SELECT word FROM words WHERE k = i % 10"),
            ],
        }],
    }
}

#[tokio::test]
async fn rows_are_seeded_once_for_each_digest_and_old_ones_make_room() {
    let url = fresh_database("seed");
    let server = Server::from_url(&url).unwrap();
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let cancel = CancellationToken::new();
    let seeded = async |rows| {
        seed::ensure(&server, &dataset(rows), 2, &progress, &cancel)
            .await
            .unwrap()
    };
    let first = seeded(50).await;
    assert!(first.fresh);
    assert!(!seeded(50).await.fresh);
    for rows in [60, 70, 80] {
        assert!(seeded(rows).await.fresh);
    }
    let client = support::connect(&url).await;
    let kept = client
        .query("SELECT rows FROM rb_bench_data.datasets ORDER BY rows", &[])
        .await
        .unwrap();
    let kept: Vec<i64> = kept.iter().map(|row| row.get(0)).collect();
    assert_eq!(kept, [60, 70, 80]);
    let schemas: i64 = client
        .query_one(
            "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'd\\_%'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(schemas, 3, "no setup schema and no dropped dataset is left");
}

#[tokio::test]
async fn all_tables_of_a_dataset_are_seeded_together() {
    let url = fresh_database("seed_tables");
    let server = Server::from_url(&url).unwrap();
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let cancel = CancellationToken::new();
    let mut several = dataset(70);
    several.tables.push(TableDefinition {
        table: "second".into(),
        rows: 3,
        ..several.tables[0].clone()
    });
    let seeded = seed::ensure(&server, &several, 4, &progress, &cancel)
        .await
        .unwrap();
    assert!(seeded.fresh);
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {}.{table}", seeded.schema);
        support::sql(&url, &sql)
    };
    assert_eq!(
        (count("seeded"), count("second")),
        ("70".into(), "3".into())
    );
    // half of it gone is all of it gone
    support::sql(&url, &format!("DROP TABLE {}.second", seeded.schema));
    let again = seed::ensure(&server, &several, 4, &progress, &cancel)
        .await
        .unwrap();
    assert!(again.fresh);
    assert_eq!(count("second"), "3");
}

/// Cancels as soon as some rows were made.
struct StopsEarly(CancellationToken);

impl Progress for StopsEarly {
    fn step(&self, _: &str) {}
    fn seeded(&self, done: u64, _: u64) {
        if done > 0 {
            self.0.cancel();
        }
    }
    fn iteration_began(&self, _: &Upcoming) {}
    fn sampled(&self, _: &Upcoming, _: &Sample) {}
    fn verifying(&self, _: &Upcoming) {}
    fn iteration_ended(&self, _: &Upcoming, _: &Iteration) {}
}

#[tokio::test]
async fn an_interrupted_seeding_does_not_count() {
    let url = fresh_database("seed_interrupted");
    let server = Server::from_url(&url).unwrap();
    let mut slow = dataset(300);
    slow.tables[0].columns = vec![ColumnDefinition {
        name: "id".into(),
        sql_type: "bigint".into(),
        primary_key: true,
        not_null: false,
        expr: "i + length(pg_sleep(0.002)::text)".into(),
    }];
    let cancel = CancellationToken::new();
    let progress: Arc<dyn Progress> = Arc::new(StopsEarly(cancel.clone()));
    let stopped = seed::ensure(&server, &slow, 2, &progress, &cancel).await;
    let stopped = stopped.unwrap_err();
    assert_eq!(stopped.kind(), rb_bench::Kind::Interrupted);
    assert_eq!(
        stopped.message(),
        "seeding seeded: making rows: interrupted"
    );
    let again = CancellationToken::new();
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    let seeded = seed::ensure(&server, &slow, 8, &silent, &again)
        .await
        .unwrap();
    assert!(seeded.fresh);
}
