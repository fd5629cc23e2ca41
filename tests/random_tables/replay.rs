//! A change log read by somebody else: SQL that replays it, change by change, into a table.

use crate::table::Table;

/// Makes `replayed` from the log `t`. A changed row is found by the columns of its replica
/// identity, all of them or the key's; one that is not there is an error of these statements.
pub(crate) fn statements(table: &Table, by_whole_rows: bool) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let literal = |name: &str| format!("'{}'", name.replace('\'', "''"));
    let key = table.key_columns();
    let columns = table.columns_with_types();
    let identity = columns
        .iter()
        .filter(|(name, _)| by_whole_rows || key.contains(&name.as_str()));
    // as texts, for not every type has an operator for equality; `id` is never NULL, and indexed
    let row_as_it_is: Vec<String> = identity
        .clone()
        .map(|(name, _)| format!("r.{0}::text IS NOT DISTINCT FROM l.{0}::text", quoted(name)))
        .collect();
    let row_as_it_was: Vec<String> = identity
        .map(|(name, type_name)| {
            format!(
                "r.{}::text IS NOT DISTINCT FROM (l._rb_old ->> {})::{type_name}::text",
                quoted(name),
                literal(name)
            )
        })
        .collect();
    let values: Vec<String> = columns
        .iter()
        .map(|(name, _)| format!("l.{}", quoted(name)))
        .collect();
    let assignments: Vec<String> = columns
        .iter()
        .map(|(name, _)| {
            format!(
                "{0} = CASE WHEN {1} = ANY (l._rb_unchanged) THEN r.{0} ELSE l.{0} END",
                quoted(name),
                literal(name)
            )
        })
        .collect();
    format!(
        "{}; CREATE INDEX ON replayed (id); \
         DO $replay$ DECLARE l t; place tid; BEGIN \
           FOR l IN SELECT * FROM t ORDER BY _rb_lsn, _rb_seq LOOP \
             IF l._rb_op = 'T' THEN DELETE FROM replayed; CONTINUE; END IF; \
             IF l._rb_op = 'I' THEN INSERT INTO replayed VALUES ({}); CONTINUE; END IF; \
             IF l._rb_old IS NULL THEN \
               SELECT ctid INTO STRICT place FROM replayed r WHERE r.id = l.id AND {} LIMIT 1; \
             ELSE \
               SELECT ctid INTO STRICT place FROM replayed r WHERE r.id = (l._rb_old ->> 'id')::bigint AND {} LIMIT 1; \
             END IF; \
             IF l._rb_op = 'D' THEN DELETE FROM replayed r WHERE r.ctid = place; \
             ELSE UPDATE replayed r SET {} WHERE r.ctid = place; END IF; \
           END LOOP; END $replay$",
        table.create("replayed", false),
        values.join(", "),
        row_as_it_is.join(" AND "),
        row_as_it_was.join(" AND "),
        assignments.join(", ")
    )
}
