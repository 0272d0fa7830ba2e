//! Histories of transactions, as Elle keeps them. In EDN completions alone are a history, too: of transactions that were
//! side by side.

use super::FormatError;
use super::edn::{Form, Node};
use super::jepsen::{Event, NIL, Notation, Reading, Wrong, given, list, read, scalar, unknown};
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
            // A read may be asked without a place for its answer.
            [f, key] if !told => (f, key, &NIL),
            _ => return Err((node.at, "expected an access such as [:append 1 2]".to_owned())),
        };
        let (key, Form::Word(f)) = (given(key)?, &f.form) else {
            return Err((f.at, "expected :append, :w or :r".to_owned()));
        };
        match f.as_str() {
            ":append" => Ok(Access::Append { key, value: given(value)? }),
            ":w" => Ok(Access::Write { key, value: given(value)? }),
            ":r" if lists => {
                let values = match &value.form {
                    Form::Nil if told => Some(Vec::new()),
                    Form::Nil => None,
                    _ => Some(list(value)?.iter().map(given).collect::<Result<_, Wrong>>()?),
                };
                Ok(Access::List { key, values })
            }
            ":r" => Ok(Access::Read { key, value: if told { Some(scalar(value)?) } else { None } }),
            _ => Err((node.at, format!("{f} is not known here, expected :append, :w or :r"))),
        }
    }
    let alone = notation == Notation::Edn;
    let reading = if lists {
        Reading { alone, ..Reading::of(|event| accesses(event, true, false), |_, event| accesses(event, true, true)) }
    } else {
        Reading { alone, ..Reading::of(|event| accesses(event, false, false), |_, event| accesses(event, false, true)) }
    };
    read(name, text, notation, &reading)
}
