//! What logical decoding says with the plugin `pgoutput`: one message from its bytes.
//!
//! Pure. Protocol version 1, text values: no streamed and no prepared transactions. Source:
//! PostgreSQL manual, "Logical Replication Message Formats". Bytes come from a server, so any
//! input gives a message or an error, never a panic.

use super::catalog::Name;
use super::lsn::Lsn;
use crate::error::{Error, Kind, Result};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A transaction begins.
    Begin {
        /// Where its commit record begins.
        commit: Lsn,
        /// Its id, without the epoch.
        xid: u32,
    },
    /// It ends.
    Commit {
        /// Where its commit record ends.
        end: Lsn,
    },
    /// What a relation looks like from here on.
    Relation(Relation),
    /// A row came.
    Insert {
        /// The relation's id.
        relation: u32,
        /// The row.
        new: Tuple,
    },
    /// A row changed.
    Update {
        /// The relation's id.
        relation: u32,
        /// What it was, where its key changed or the whole row is its identity.
        old: Option<Old>,
        /// What it is.
        new: Tuple,
    },
    /// A row went.
    Delete {
        /// The relation's id.
        relation: u32,
        /// What it was.
        old: Old,
    },
    /// Relations were emptied.
    Truncate {
        /// Their ids.
        relations: Vec<u32>,
        /// Whether their sequences start anew.
        restart_identity: bool,
    },
    /// What carries no change: a type, an origin, a message of an application.
    Other,
}

/// A relation, as messages describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its id in the messages that follow.
    pub id: u32,
    /// Its name.
    pub name: Name,
    /// Its columns, generated ones left out.
    pub columns: Vec<Column>,
    /// Whether the whole row is its replica identity.
    pub full_identity: bool,
}

/// A column of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether it is part of the replica identity.
    pub identity: bool,
    /// Its type's OID at the source.
    pub type_oid: u32,
    /// Its type's modifier.
    pub type_modifier: i32,
}

/// What is known of a row as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Old {
    /// The columns of its identity; the others are null.
    Key(Tuple),
    /// All of it.
    Row(Tuple),
}

impl Old {
    /// The values, by column.
    #[must_use]
    pub fn tuple(&self) -> &Tuple {
        match self {
            Self::Key(tuple) | Self::Row(tuple) => tuple,
        }
    }
}

/// A row's values, by column.
pub type Tuple = Vec<Value>;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// A large value that did not change and was not sent.
    Unchanged,
    /// Its text form.
    Text(String),
}

/// Reads one message.
///
/// # Errors
/// `Kind::Unsupported` for a message of a later protocol, `Kind::Data` for text that is not UTF-8,
/// `Kind::Server` for bytes that are no message.
pub fn decode(bytes: &[u8]) -> Result<Message> {
    let mut input = Input(bytes);
    let message = match input.byte()? {
        b'B' => {
            let commit = Lsn(input.u64()?);
            input.take(8)?;
            Message::Begin {
                commit,
                xid: input.u32()?,
            }
        }
        b'C' => {
            input.take(1 + 8)?;
            let end = Lsn(input.u64()?);
            input.take(8)?;
            Message::Commit { end }
        }
        b'R' => Message::Relation(input.relation()?),
        b'I' => {
            let relation = input.u32()?;
            input.expect(b'N')?;
            let new = input.tuple()?;
            Message::Insert { relation, new }
        }
        b'U' => {
            let relation = input.u32()?;
            let mut kind = input.byte()?;
            let old = input.old(kind)?;
            if old.is_some() {
                kind = input.byte()?;
            }
            if kind != b'N' {
                return Err(malformed());
            }
            let new = input.tuple()?;
            Message::Update { relation, old, new }
        }
        b'D' => {
            let relation = input.u32()?;
            let kind = input.byte()?;
            let old = input.old(kind)?.ok_or_else(malformed)?;
            Message::Delete { relation, old }
        }
        b'T' => {
            let count = input.u32()?;
            let options = input.byte()?;
            let relations = (0..count).map(|_| input.u32()).collect::<Result<_>>()?;
            Message::Truncate {
                relations,
                restart_identity: options & 2 != 0,
            }
        }
        b'Y' | b'O' | b'M' => return Ok(Message::Other),
        other => {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "the source sent a message `{}`, which protocol version 1 does not have",
                    other.escape_ascii()
                ),
            ));
        }
    };
    if input.0.is_empty() {
        Ok(message)
    } else {
        Err(malformed())
    }
}

fn malformed() -> Error {
    Error::new(
        Kind::Server,
        "the source sent a logical replication message that cannot be read",
    )
}

/// What is left of a message.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| malformed())
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.byte()? == byte {
            Ok(())
        } else {
            Err(malformed())
        }
    }

    /// Text that ends with a zero byte.
    fn name(&mut self) -> Result<String> {
        let end = self
            .0
            .iter()
            .position(|&byte| byte == 0)
            .ok_or_else(malformed)?;
        let name = text(self.take(end)?)?;
        self.take(1)?;
        Ok(name)
    }

    fn relation(&mut self) -> Result<Relation> {
        let id = self.u32()?;
        let schema = match self.name()? {
            schema if schema.is_empty() => "pg_catalog".to_owned(),
            schema => schema,
        };
        let name = Name::new(schema, self.name()?);
        let full_identity = self.byte()? == b'f';
        let count = self.u16()?;
        let columns = (0..count)
            .map(|_| {
                let identity = self.byte()? & 1 != 0;
                Ok(Column {
                    name: self.name()?,
                    identity,
                    type_oid: self.u32()?,
                    type_modifier: self.u32()?.cast_signed(),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Relation {
            id,
            name,
            columns,
            full_identity,
        })
    }

    fn old(&mut self, kind: u8) -> Result<Option<Old>> {
        match kind {
            b'K' => Ok(Some(Old::Key(self.tuple()?))),
            b'O' => Ok(Some(Old::Row(self.tuple()?))),
            _ => Ok(None),
        }
    }

    fn tuple(&mut self) -> Result<Tuple> {
        let count = self.u16()?;
        (0..count)
            .map(|_| match self.byte()? {
                b'n' => Ok(Value::Null),
                b'u' => Ok(Value::Unchanged),
                b't' => {
                    let length = self.u32()? as usize;
                    Ok(Value::Text(text(self.take(length)?)?))
                }
                _ => Err(malformed()),
            })
            .collect()
    }
}

fn text(bytes: &[u8]) -> Result<String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|e| {
        Error::new(
            Kind::Data,
            format!("the source sent text that is not UTF-8: {e}"),
        )
        .remedy("a database in encoding SQL_ASCII can hold such text; correct the row there")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_message_or_no_text_is_refused() {
        for (bytes, said) in [
            (
                &b"\x7f"[..],
                "the source sent a message `\\x7f`, which protocol version 1 does not have",
            ),
            (
                b"B\0",
                "the source sent a logical replication message that cannot be read",
            ),
        ] {
            assert_eq!(decode(bytes).unwrap_err().to_string(), said);
        }
        assert_eq!(
            text(b"caf\xe9").unwrap_err().to_string(),
            "the source sent text that is not UTF-8: incomplete utf-8 byte sequence from index 3\n  what to do: a \
             database in encoding SQL_ASCII can hold such text; correct the row there"
        );
    }

    /// A message of PostgreSQL 15 for `t (id int PRIMARY KEY, note text)`, as
    /// `pg_logical_slot_peek_binary_changes` gave it, in hex.
    fn recorded(hex: &str) -> Message {
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
            .collect();
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{hex} cut at {end}");
        }
        decode(&bytes).unwrap()
    }

    fn value(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_transaction_says_where_it_ends_and_who_it_was() {
        assert_eq!(
            recorded("420000000001d67a50000303f912b376bf000002da"),
            Message::Begin {
                commit: Lsn(0x01d6_7a50),
                xid: 730
            }
        );
        assert_eq!(
            recorded("43000000000001d67a500000000001d67a80000303f912b376bf"),
            Message::Commit {
                end: Lsn(0x01d6_7a80)
            }
        );
    }

    #[test]
    fn a_relation_names_its_columns_and_its_identity() {
        let column = |name: &str, type_oid, identity| Column {
            name: name.to_owned(),
            identity,
            type_oid,
            type_modifier: -1,
        };
        let relation = |full| Relation {
            id: 16386,
            name: Name::new("public", "t"),
            columns: vec![column("id", 23, true), column("note", 25, full)],
            full_identity: full,
        };
        assert_eq!(
            recorded(
                "52000040027075626c69630074006400020169640000000017ffffffff006e6f74650000000019ffffffff"
            ),
            Message::Relation(relation(false))
        );
        assert_eq!(
            recorded(
                "52000040027075626c69630074006600020169640000000017ffffffff016e6f74650000000019ffffffff"
            ),
            Message::Relation(relation(true))
        );
    }

    #[test]
    fn rows_come_change_and_go() {
        let relation = 16386;
        assert_eq!(
            recorded("49000040024e00027400000001316e"),
            Message::Insert {
                relation,
                new: vec![value("1"), Value::Null]
            }
        );
        assert_eq!(
            recorded("55000040024e00027400000001317400000002c3a9"),
            Message::Update {
                relation,
                old: None,
                new: vec![value("1"), value("é")]
            }
        );
        assert_eq!(
            recorded("55000040024b00027400000001336e4e000274000000013475"),
            Message::Update {
                relation,
                old: Some(Old::Key(vec![value("3"), Value::Null])),
                new: vec![value("4"), Value::Unchanged]
            }
        );
        assert_eq!(
            recorded("44000040024b00027400000001326e"),
            Message::Delete {
                relation,
                old: Old::Key(vec![value("2"), Value::Null])
            }
        );
        assert_eq!(
            recorded("44000040024f0002740000000135740000000161"),
            Message::Delete {
                relation,
                old: Old::Row(vec![value("5"), value("a")])
            }
        );
        assert_eq!(
            recorded("54000000010200004002"),
            Message::Truncate {
                relations: vec![relation],
                restart_identity: true
            }
        );
    }

    #[test]
    fn messages_without_a_change_are_passed_over() {
        for other in [&b"Y\0\0"[..], b"O", b"M\x01prefix"] {
            assert_eq!(decode(other).unwrap(), Message::Other);
        }
        assert_eq!(
            decode(b"S\0\0\0\x01\x01").unwrap_err().kind(),
            Kind::Unsupported
        );
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), tag in prop::sample::select(b"BCRIUDTYOM".to_vec())) {
            let _ = decode(&bytes);
            let _ = decode(&[&[tag], &bytes[..]].concat());
        }
    }
}
