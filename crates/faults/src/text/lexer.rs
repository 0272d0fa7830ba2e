//! Splits a line into tokens that know their column.

use super::TextError;

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Letters, digits and whatever is not a sign of the grammar.
    Word(String),
    /// A text in quotes, with its escapes resolved.
    Quoted(String),
    /// One of `,` `|` `=` `>` `<>`.
    Sign(&'static str),
}

impl Token {
    /// How an error message shows it.
    pub(super) fn shown(&self) -> String {
        match self {
            Token::Word(word) => format!("`{word}`"),
            Token::Quoted(text) => format!("{text:?}"),
            Token::Sign(sign) => format!("`{sign}`"),
        }
    }
}

/// Whether a name can stand without quotes.
pub(crate) fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
}

/// The tokens of a line, each with its column in characters from 1. A comment ends the line.
pub(super) fn tokens(line: &str, number: usize) -> Result<Vec<(usize, Token)>, TextError> {
    let mut tokens = Vec::new();
    let characters: Vec<char> = line.chars().collect();
    let mut at = 0;
    while let Some(character) = characters.get(at).copied() {
        let column = at + 1;
        match character {
            '#' => break,
            _ if character.is_whitespace() => at += 1,
            ',' | '|' | '=' | '>' => {
                tokens.push((column, Token::Sign(sign(character))));
                at += 1;
            }
            '<' if characters.get(at + 1) == Some(&'>') => {
                tokens.push((column, Token::Sign("<>")));
                at += 2;
            }
            '"' => {
                let (text, next) = quoted(&characters, at, number)?;
                tokens.push((column, Token::Quoted(text)));
                at = next;
            }
            '<' => return Err(syntax(number, column, "`<>`", "`<`")),
            _ => {
                let ends = |c: &char| c.is_whitespace() || matches!(c, '#' | ',' | '|' | '=' | '<' | '>' | '"');
                let word: String = characters[at..].iter().take_while(|c| !ends(c)).collect();
                at += word.chars().count();
                tokens.push((column, Token::Word(word)));
            }
        }
    }
    Ok(tokens)
}

fn sign(character: char) -> &'static str {
    match character {
        ',' => ",",
        '|' => "|",
        '=' => "=",
        _ => ">",
    }
}

/// A quoted text from its opening quote on, and the place after its closing one. Escapes: `\"`, `\\`, `\u{…}`.
fn quoted(characters: &[char], open: usize, line: usize) -> Result<(String, usize), TextError> {
    let mut text = String::new();
    let mut at = open + 1;
    loop {
        match characters.get(at) {
            None => return Err(syntax(line, open + 1, "a closing quote on the same line", "the end of the line")),
            Some('"') => return Ok((text, at + 1)),
            Some('\\') => {
                let rest = &characters[at + 1..];
                match rest.first() {
                    Some(&plain @ ('"' | '\\')) => {
                        text.push(plain);
                        at += 2;
                    }
                    Some('u') => {
                        let digits: String =
                            rest[1..].iter().skip_while(|c| **c == '{').take_while(|c| **c != '}').collect();
                        let read = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        let length = digits.chars().count();
                        match read {
                            Some(read) if rest.get(1) == Some(&'{') && rest.get(length + 2) == Some(&'}') => {
                                text.push(read);
                                at += length + 4;
                            }
                            _ => return Err(syntax(line, at + 1, "an escape such as \\u{e9}", "`\\u`")),
                        }
                    }
                    _ => return Err(syntax(line, at + 1, "one of \\\" \\\\ \\u{…}", "`\\`")),
                }
            }
            Some(plain) => {
                text.push(*plain);
                at += 1;
            }
        }
    }
}

/// A syntax error at a place.
pub(super) fn syntax(line: usize, column: usize, expected: &str, found: &str) -> TextError {
    TextError::Syntax { line, column, expected: expected.to_owned(), found: found.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_know_their_columns() {
        let word = |text: &str| Token::Word(text.into());
        let tokens = tokens("f0  a,\"b c\" <> d # e", 1).expect("tokens");
        assert_eq!(
            tokens,
            [
                (1, word("f0")),
                (5, word("a")),
                (6, Token::Sign(",")),
                (7, Token::Quoted("b c".into())),
                (13, Token::Sign("<>")),
                (16, word("d")),
            ]
        );
    }

    #[test]
    fn a_comment_sign_within_quotes_is_text() {
        let read = tokens(r##""a # \"b\\ \u{e9}\u{a}""##, 1).expect("tokens");
        assert_eq!(read, [(1, Token::Quoted("a # \"b\\ é\n".into()))]);
    }

    #[test]
    fn broken_quotes_are_errors_and_never_panics() {
        for (line, column) in [
            ("a \"b", 3),
            (r#""\q""#, 2),
            (r#""\u{110000}""#, 2),
            (r#""\u41""#, 2),
            ("a < b", 3),
            (r#""\"#, 2),
            (r#""\u"#, 2),
            (r#""\u{"#, 2),
        ] {
            assert_eq!(tokens(line, 4).map_err(|error| (error.line(), error.column())), Err((4, column)), "{line}");
        }
    }
}
