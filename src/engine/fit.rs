//! Whether a source's columns fit a target's, and how they travel: decided before a row moves.
//!
//! Text COPY would quietly drop time zone offsets and round numbers, so types that differ are
//! accepted only where every value of one is a value of the other. Pure.

use super::plan::CopyFormat;
use crate::postgres::catalog::{Column, FIRST_NORMAL_OID, FIRST_UNSTABLE_OID, Relation};

/// Columns that fit, and how they travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The columns, in the source's order.
    pub columns: Vec<String>,
    /// How they travel.
    pub format: CopyFormat,
    /// Why text, where it is.
    pub why_text: Option<String>,
}

/// Compares the columns of `source` (all, or those `chosen`) with the target's.
///
/// # Errors
/// Every problem there is, each as a sentence.
pub fn fit(
    source: &Relation,
    chosen: Option<&[String]>,
    target: &Relation,
) -> Result<Fit, Vec<String>> {
    let mut problems = Vec::new();
    let mut pairs = Vec::new();
    for column in chosen_columns(source, chosen, &mut problems) {
        match target.column(&column.name) {
            None => problems.push(format!(
                "column `{}` of {} is missing in {}",
                column.name, source.name, target.name
            )),
            Some(theirs) if theirs.generated && column.generated => {}
            Some(theirs) if theirs.generated => problems.push(format!(
                "column `{}` is generated in {} and cannot take the source's values; leave it out with `columns`",
                theirs.name, target.name
            )),
            Some(theirs) => {
                if let Err(why) = accepts(column, theirs) {
                    problems.push(format!("column `{}`: {why}", column.name));
                }
                pairs.push((column, theirs));
            }
        }
    }
    for column in &target.columns {
        let filled = pairs.iter().any(|(mine, _)| mine.name == column.name)
            || !column.not_null
            || column.default.is_some()
            || column.identity.is_some()
            || column.generated;
        if !filled {
            problems.push(format!(
                "column `{}` of {} is NOT NULL without a default, and the source does not fill it",
                column.name, target.name
            ));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let why_text = pairs
        .iter()
        .find_map(|(mine, theirs)| why_text(mine, Some(theirs)));
    Ok(Fit {
        columns: pairs.iter().map(|(mine, _)| mine.name.clone()).collect(),
        format: if why_text.is_some() {
            CopyFormat::Text
        } else {
            CopyFormat::Binary
        },
        why_text,
    })
}

/// The columns of `source` that are copied into a table that is made for them, or dropped.
///
/// # Errors
/// Every chosen column that is not there.
pub fn own_columns(source: &Relation, chosen: Option<&[String]>) -> Result<Fit, Vec<String>> {
    let mut problems = Vec::new();
    let mut columns = chosen_columns(source, chosen, &mut problems);
    // a new table computes them again where it can; else it keeps their values
    if columns.len() == source.columns.len() {
        columns.retain(|column| !column.generated || !column.default_is_portable);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let why_text = columns.iter().find_map(|column| why_text(column, None));
    Ok(Fit {
        columns: columns.iter().map(|column| column.name.clone()).collect(),
        format: if why_text.is_some() {
            CopyFormat::Text
        } else {
            CopyFormat::Binary
        },
        why_text,
    })
}

fn chosen_columns<'a>(
    source: &'a Relation,
    chosen: Option<&[String]>,
    problems: &mut Vec<String>,
) -> Vec<&'a Column> {
    let Some(chosen) = chosen else {
        return source.columns.iter().collect();
    };
    for name in chosen.iter().filter(|name| source.column(name).is_none()) {
        problems.push(format!("column `{name}` does not exist in {}", source.name));
    }
    // the source's order: it is the same whatever order the document names them in
    source
        .columns
        .iter()
        .filter(|column| chosen.contains(&column.name))
        .collect()
}

/// Why this column has to travel as text, if it has to.
fn why_text(mine: &Column, theirs: Option<&Column>) -> Option<String> {
    let name = &mine.name;
    if let Some(theirs) = theirs
        && mine.type_name != theirs.type_name
    {
        return Some(format!(
            "column `{name}` widens from {} to {}",
            mine.type_name, theirs.type_name
        ));
    }
    if mine.type_oid >= FIRST_NORMAL_OID {
        return Some(format!(
            "column `{name}` has the user-defined type {}",
            mine.base_type
        ));
    }
    let known = theirs.map_or(mine.type_oid < FIRST_UNSTABLE_OID, |theirs| {
        theirs.type_oid == mine.type_oid
    });
    if !known {
        return Some(format!(
            "column `{name}`: {} may have another OID on the other server",
            mine.base_type
        ));
    }
    if !mine.binary_io || theirs.is_some_and(|theirs| !theirs.binary_io) {
        return Some(format!(
            "column `{name}` of type {} has no portable binary form",
            mine.base_type
        ));
    }
    None
}

/// Whether every value of the source's column can go into the target's.
pub fn accepts(mine: &Column, theirs: &Column) -> Result<(), String> {
    if mine.base_type == theirs.base_type && mine.type_modifier == theirs.type_modifier {
        if mine.type_body == theirs.type_body || enum_grows(mine, theirs) {
            return Ok(());
        }
        return Err(format!(
            "type {} is ({}) in the source and ({}) in the destination",
            mine.base_type, mine.type_body, theirs.type_body
        ));
    }
    if widens(mine, theirs) {
        return Ok(());
    }
    Err(format!(
        "type {} cannot go into {} without possible loss; change the column to {} in the destination, or select a \
         fitting expression through a view",
        mine.type_name, theirs.type_name, mine.type_name
    ))
}

/// Every label of the source's enum exists in the destination's.
fn enum_grows(mine: &Column, theirs: &Column) -> bool {
    mine.type_kind == 'e' && has_labels(&theirs.type_body, &mine.type_body)
}

/// Whether a list of quoted labels holds all of another.
pub fn has_labels(list: &str, wanted: &str) -> bool {
    let known: Vec<&str> = list.split(", ").collect();
    wanted.split(", ").all(|label| known.contains(&label))
}

/// Whether every value of the one type is a value of the other, and text carries it there.
pub fn widens(mine: &Column, theirs: &Column) -> bool {
    let strip = |name: &str| {
        name.strip_suffix("[]")
            .map_or((name.to_owned(), false), |n| (n.to_owned(), true))
    };
    let ((from, from_array), (to, to_array)) = (strip(&mine.base_type), strip(&theirs.base_type));
    if from_array != to_array {
        return false;
    }
    let (from_modifier, to_modifier) = (mine.type_modifier, theirs.type_modifier);
    let longer = || to_modifier < 0 || (from_modifier >= 0 && to_modifier >= from_modifier);
    match (from.as_str(), to.as_str()) {
        ("smallint", "integer" | "bigint") | ("integer", "bigint") | ("cidr", "inet") => true,
        ("smallint", "numeric") => holds_digits(to_modifier, 5),
        ("integer", "numeric") => holds_digits(to_modifier, 10),
        ("bigint", "numeric") => holds_digits(to_modifier, 19),
        ("numeric", "numeric") => numeric_widens(from_modifier, to_modifier),
        ("character varying" | "json", "text") | ("name", "text" | "character varying") => {
            to_modifier < 0
        }
        ("character varying", "character varying") | ("bit varying", "bit varying") => longer(),
        (
            "timestamp without time zone"
            | "timestamp with time zone"
            | "time without time zone"
            | "time with time zone",
            same,
        ) if same == from => {
            // without a modifier the precision is 6, the most there is
            let precision = |modifier: i32| if modifier < 0 { 6 } else { modifier };
            precision(to_modifier) >= precision(from_modifier)
        }
        ("interval", "interval") => to_modifier < 0,
        (_, "text" | "character varying") if mine.type_kind == 'e' && !from_array => {
            to_modifier < 0
        }
        // a domain's values are values of what it is made of
        _ => mine.type_kind == 'd' && !from_array && mine.type_body == theirs.type_name,
    }
}

/// Precision and scale of a numeric modifier (numeric.c: `make_numeric_typmod`).
fn numeric_parts(modifier: i32) -> Option<(i32, i32)> {
    (modifier >= 4).then(|| {
        let packed = modifier - 4;
        let scale = ((packed & 0x7ff) ^ 1024) - 1024;
        ((packed >> 16) & 0xffff, scale)
    })
}

fn holds_digits(modifier: i32, digits: i32) -> bool {
    numeric_parts(modifier)
        .is_none_or(|(precision, scale)| scale >= 0 && precision - scale >= digits)
}

fn numeric_widens(from: i32, to: i32) -> bool {
    match (numeric_parts(from), numeric_parts(to)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some((p1, s1)), Some((p2, s2))) => s2 >= s1 && p2 - s2 >= p1 - s1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + 4
    }

    fn column(base: &str, modifier: i32) -> Column {
        Column {
            type_name: if modifier < 0 {
                base.to_owned()
            } else {
                format!("{base}({modifier})")
            },
            type_modifier: modifier,
            ..Column::plain("c", base, 20)
        }
    }

    #[test]
    fn only_lossless_widenings_are_accepted() {
        let cases = [
            ("smallint", -1, "bigint", -1, true),
            ("bigint", -1, "integer", -1, false),
            ("bigint", -1, "numeric", -1, true),
            ("bigint", -1, "numeric", numeric(10, 0), false),
            ("integer", -1, "numeric", numeric(12, 2), true),
            ("integer", -1, "double precision", -1, false),
            ("numeric", numeric(10, 2), "numeric", numeric(12, 4), true),
            ("numeric", numeric(10, 2), "numeric", numeric(12, 1), false),
            ("numeric", numeric(10, -2), "numeric", numeric(12, 0), true),
            ("numeric", -1, "numeric", numeric(12, 2), false),
            ("character varying", 14, "text", -1, true),
            ("character varying", 14, "character varying", 24, true),
            ("character varying", 14, "character varying", 10, false),
            ("character varying", -1, "character varying", 24, false),
            ("text", -1, "character varying", 24, false),
            ("character", 14, "text", -1, false),
            (
                "timestamp without time zone",
                3,
                "timestamp without time zone",
                -1,
                true,
            ),
            (
                "timestamp without time zone",
                -1,
                "timestamp without time zone",
                3,
                false,
            ),
            (
                "timestamp with time zone",
                -1,
                "timestamp without time zone",
                -1,
                false,
            ),
            ("integer[]", -1, "bigint[]", -1, true),
            ("integer[]", -1, "bigint", -1, false),
            ("double precision", -1, "real", -1, false),
            ("json", -1, "jsonb", -1, false),
            ("cidr", -1, "inet", -1, true),
        ];
        for (from, from_modifier, to, to_modifier, accepted) in cases {
            let outcome = accepts(&column(from, from_modifier), &column(to, to_modifier));
            assert_eq!(
                outcome.is_ok(),
                accepted,
                "{from}({from_modifier}) -> {to}({to_modifier})"
            );
        }
    }

    #[test]
    fn an_enum_may_have_more_labels_in_the_destination_and_not_fewer() {
        let labels = |text: &str| Column {
            type_kind: 'e',
            type_body: text.into(),
            ..column("public.mood", -1)
        };
        assert!(accepts(&labels("'a', 'b'"), &labels("'b', 'x', 'a'")).is_ok());
        assert!(accepts(&labels("'a', 'b'"), &labels("'a'")).is_err());
    }

    #[test]
    fn composites_with_other_fields_are_refused() {
        let body = |text: &str| Column {
            type_kind: 'c',
            type_body: text.into(),
            ..column("public.pair", -1)
        };
        assert!(accepts(&body("a integer, b integer"), &body("b integer, a integer")).is_err());
    }

    #[test]
    fn user_defined_and_differing_types_travel_as_text() {
        assert_eq!(
            why_text(&column("bigint", -1), Some(&column("bigint", -1))),
            None
        );
        let user = Column {
            type_oid: 20_000,
            ..column("public.mood", -1)
        };
        assert!(
            why_text(&user, Some(&user))
                .unwrap()
                .contains("user-defined")
        );
        assert!(
            why_text(&column("integer", -1), Some(&column("bigint", -1)))
                .unwrap()
                .contains("widens")
        );
        let moved = Column {
            type_oid: 13_000,
            ..column("information_schema.yes_or_no", -1)
        };
        assert!(
            why_text(&column("information_schema.yes_or_no", -1), Some(&moved))
                .unwrap()
                .contains("OID")
        );
        let reg = Column {
            binary_io: false,
            ..column("regclass", -1)
        };
        assert!(
            why_text(&reg, None)
                .unwrap()
                .contains("portable binary form")
        );
    }
}
