//! Whether what a query uses gives every worker the same: asked of the source's catalogs.
//!
//! Names are looked up without their schema and arguments, so what is said of one function is said
//! of all that share its name: it may doubt too much, never too little.

use std::collections::BTreeSet;

use super::expression::{self, Uses};
use crate::error::Result;
use crate::postgres::catalog::FIRST_NORMAL_OID;
use crate::postgres::{Session, quote_literal};

/// Stable functions of PostgreSQL that depend on nothing but their arguments and on settings that
/// all our sessions have alike.
const DEPENDABLE: &[&str] = &[
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "date",
    "date_part",
    "date_trunc",
    "extract",
    "format",
    "generate_series",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "length",
    "overlaps",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
];

/// Functions that give the time at which the transaction or the statement began; they are stable.
const CLOCK: [&str; 3] = ["now", "statement_timestamp", "transaction_timestamp"];

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Determinism {
    /// What certainly differs between two workers, or may by its nature.
    pub differs: Option<String>,
    /// What only cannot be told.
    pub doubt: Option<String>,
    /// What differs from one read to the next, even by the same worker's role at the same snapshot.
    pub unrepeatable: Option<String>,
}

/// Looks up what `queries` were seen to use.
pub async fn look_up(session: &Session, uses: &Uses, queries: &[String]) -> Result<Determinism> {
    let mut found = Determinism::default();
    for word in &uses.clock {
        found.unrepeatable(format!("{word} is the clock"));
    }
    for word in &uses.session {
        found.differs(format!("{word} is a value of the session"));
    }
    let functions = volatilities(
        session,
        &uses.functions,
        "SELECT p.proname AS name, p.provolatile, p.oid FROM pg_catalog.pg_proc p WHERE p.proname",
    )
    .await?;
    for name in &uses.functions {
        let mut these = functions.iter().filter(|one| one.name == *name).peekable();
        if these.peek().is_none() {
            found.doubt(format!("the function {name} is not known"));
        }
        for one in these {
            match one.provolatile.as_str() {
                "i" => {}
                "v" => found.unrepeatable(format!("the function {name} is volatile")),
                _ if CLOCK.contains(&name.as_str()) => {
                    found.unrepeatable(format!("the function {name} is the clock"));
                }
                _ if one.built_in && DEPENDABLE.contains(&name.as_str()) => {}
                _ => found.differs(format!(
                    "the function {name} is only stable: it may see the clock or the session"
                )),
            }
        }
    }
    let operators = volatilities(
        session,
        &uses.operators,
        "SELECT o.oprname AS name, p.provolatile, p.oid FROM pg_catalog.pg_operator o \
           JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode WHERE o.oprname",
    )
    .await?;
    for name in &uses.operators {
        let mut these = operators.iter().filter(|one| one.name == *name).peekable();
        if these.peek().is_none() {
            found.doubt(format!("the operator {name} is not known"));
        }
        // none of PostgreSQL's own reads the clock or the session
        for one in these.filter(|one| !one.built_in && one.provolatile != "i") {
            match one.provolatile.as_str() {
                "v" => found.unrepeatable(format!("the operator {name} is volatile")),
                _ => found.differs(format!("the operator {name} is only stable")),
            }
        }
    }
    for doubt in &uses.doubts {
        found.doubt(doubt.clone());
    }
    if queries.iter().any(|query| expression::names_clock(query)) {
        found.doubt(
            "a word such as 'now' in it may be read as the clock when the query is parsed"
                .to_owned(),
        );
    }
    // an implicit cast is not printed
    let sql = format!(
        "SELECT pg_catalog.format_type(c.castsource, NULL) || ' to ' || pg_catalog.format_type(c.casttarget, NULL) \
           FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc \
          WHERE p.oid >= {FIRST_NORMAL_OID} AND p.provolatile <> 'i' AND c.castcontext = 'i' ORDER BY 1 LIMIT 1"
    );
    let rows = session.rows(&sql, "looking for casts").await?;
    if let Some(cast) = rows.first().and_then(|row| row.get(0)) {
        found.doubt(format!("the implicit cast from {cast} is not immutable"));
    }
    Ok(found)
}

impl Determinism {
    fn differs(&mut self, why: String) {
        self.differs.get_or_insert(why);
    }

    fn doubt(&mut self, why: String) {
        self.doubt.get_or_insert(why);
    }

    fn unrepeatable(&mut self, why: String) {
        self.unrepeatable.get_or_insert(why.clone());
        self.differs(why);
    }
}

/// A function, or the function of an operator.
struct Volatility {
    name: String,
    provolatile: String,
    built_in: bool,
}

async fn volatilities(
    session: &Session,
    names: &BTreeSet<String>,
    sql: &str,
) -> Result<Vec<Volatility>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
    let sql = format!("{sql} IN ({})", list.join(", "));
    let rows = session
        .rows(&sql, "looking at what the transforms use")
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let text = |column: &str| row.get(column).unwrap_or_default();
            Volatility {
                name: text("name").to_owned(),
                provolatile: text("provolatile").to_owned(),
                built_in: text("oid")
                    .parse()
                    .is_ok_and(|oid: u32| oid < FIRST_NORMAL_OID),
            }
        })
        .collect())
}
