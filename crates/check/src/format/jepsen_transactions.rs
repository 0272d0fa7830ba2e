//! Histories of transactions, as Elle keeps them. In EDN completions alone are a history, too: of transactions that were
//! side by side.

use super::FormatError;
use super::edn::{Form, Node};
use super::jepsen::{Event, NIL, Notation, Reading, Wrong, list, read, unknown, whole};
use crate::model::Bytes;
use crate::txn::{Access, Transactions};

/// Reads a history of transactions: `:txn` with `[:append k v]`, `[:w k v]`, `[:r k v]`. Reads are of lists if `lists`.
///
/// # Errors
/// The first event that is not as it must be, with line and column.
pub fn read_jepsen_transactions(
    name: &str,
    text: &str,
    notation: Notation,
    lists: bool,
) -> Result<Transactions, FormatError> {
    fn accesses(event: &Event<'_>, lists: bool, told: bool) -> Result<Vec<Access>, Wrong> {
        if event.f != ":txn" {
            return unknown(event, ":txn");
        }
        list(event.value)?.iter().map(|access| one(access, lists, told)).collect()
    }
    fn one(node: &Node, lists: bool, told: bool) -> Result<Access, Wrong> {
        let (f, key, value) = match list(node)? {
            [f, key, value] => (f, key, value),
            // A read may have no place for its answer.
            [f, key] => (f, key, &NIL),
            _ => return Err((node.at, "expected an access such as [:append 1 2]".to_owned())),
        };
        let (key, Form::Word(f)) = (whole(key)?, &f.form) else {
            return Err((f.at, "expected :append, :w or :r".to_owned()));
        };
        match f.as_str() {
            ":append" => Ok(Access::Append { key, value: whole(value)? }),
            ":w" => Ok(Access::Write { key, value: whole(value)? }),
            ":r" if lists => {
                let values = match &value.form {
                    Form::Nil if told => Some(Vec::new()),
                    Form::Nil => None,
                    _ => Some(list(value)?.iter().map(whole).collect::<Result<_, Wrong>>()?),
                };
                Ok(Access::List { key, values })
            }
            ":r" => Ok(Access::Read { key, value: if told { Some(register(value)?) } else { None } }),
            _ => Err((node.at, format!("{f} is not known here, expected :append, :w or :r"))),
        }
    }
    fn register(node: &Node) -> Result<Option<Bytes>, Wrong> {
        if node.form == Form::Nil { Ok(None) } else { whole(node).map(Some) }
    }
    let (alone, unnamed) = (notation == Notation::Edn, Some(":txn"));
    let reading = if lists {
        Reading {
            alone,
            unnamed,
            ..Reading::of(|event| accesses(event, true, false), |_, event| accesses(event, true, true))
        }
    } else {
        Reading {
            alone,
            unnamed,
            ..Reading::of(|event| accesses(event, false, false), |_, event| accesses(event, false, true))
        }
    };
    read(name, text, notation, &reading)
}
