//! Whether the types that users made are the same on both servers, all the way down.
//!
//! Text knows fields by their place: a composite of the same name with its fields in another
//! order would take a row and scramble it.

use std::collections::BTreeSet;

use super::fit;
use crate::error::Result;
use crate::postgres::Session;
use crate::postgres::catalog::Relation;
use crate::postgres::user_types::{self, UserType};

/// What is missing or different in the destination of the types that these columns need.
pub async fn problems(
    source: &Session,
    destination: &Session,
    relation: &Relation,
    columns: &[String],
) -> Result<Vec<String>> {
    let (mut problems, mut schemas) = (Vec::new(), BTreeSet::new());
    for (column, mine) in user_types::needed(source, &relation.columns).await? {
        let column = &column.name;
        if !columns.contains(column) {
            continue;
        }
        let Some(theirs) = user_types::find(destination, &mine.name).await? else {
            if schemas.insert(mine.schema.clone())
                && !user_types::has_schema(destination, &mine.schema).await?
            {
                problems.push(format!(
                    "schema {} does not exist in the destination: CREATE SCHEMA {}",
                    mine.schema, mine.schema
                ));
            }
            problems.push(missing(column, &mine, relation));
            continue;
        };
        if !same(&mine, &theirs) {
            problems.push(format!(
                "column `{column}`: type {} is ({}) in the source and ({}) in the destination",
                mine.name, mine.body, theirs.body
            ));
        }
    }
    Ok(problems)
}

fn same(mine: &UserType, theirs: &UserType) -> bool {
    mine.kind == theirs.kind
        && (mine.body == theirs.body
            || (mine.kind == 'e' && fit::has_labels(&theirs.body, &mine.body)))
}

fn missing(column: &str, mine: &UserType, relation: &Relation) -> String {
    let what = mine.create.as_ref().map_or_else(
        || ", create it there first".to_owned(),
        |create| format!(": {create}"),
    );
    format!(
        "type {} of column `{column}` of {} does not exist in the destination{what}",
        mine.name, relation.name
    )
}
