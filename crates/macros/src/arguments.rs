//! What may stand between the attribute's parentheses.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Token, parenthesized};

/// One virtual minute and nothing else, unless told otherwise.
pub(crate) struct Arguments {
    pub(crate) seconds: u64,
    pub(crate) nanos: u32,
    pub(crate) families: Vec<String>,
    pub(crate) features: Vec<String>,
    pub(crate) profiles: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) properties: Vec<String>,
    pub(crate) sometimes_within: Option<u64>,
    pub(crate) runtime: Option<LitStr>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self {
            seconds: 60,
            nanos: 0,
            families: Vec::new(),
            features: Vec::new(),
            profiles: Vec::new(),
            tags: Vec::new(),
            properties: Vec::new(),
            sometimes_within: None,
            runtime: None,
        };
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            match name.to_string().as_str() {
                "time" => {
                    input.parse::<Token![=]>()?;
                    let text: LitStr = input.parse()?;
                    let time = parse_time(&text.value()).ok_or_else(|| {
                        syn::Error::new(text.span(), "expected a time such as \"60s\", \"500ms\" or \"2m\"")
                    })?;
                    (arguments.seconds, arguments.nanos) = time;
                }
                "families" => arguments.families = words(input)?,
                "features" => arguments.features = words(input)?,
                "profiles" => arguments.profiles = words(input)?,
                "tags" => arguments.tags = words(input)?,
                "properties" => arguments.properties = words(input)?,
                "runtime" => {
                    input.parse::<Token![=]>()?;
                    let runtime: LitStr = input.parse()?;
                    if !matches!(runtime.value().as_str(), "kernel" | "madsim") {
                        return Err(syn::Error::new(runtime.span(), "expected \"kernel\" or \"madsim\""));
                    }
                    arguments.runtime = Some(runtime);
                }
                "sometimes_within" => {
                    input.parse::<Token![=]>()?;
                    let seeds: LitInt = input.parse()?;
                    arguments.sometimes_within = Some(seeds.base10_parse()?);
                }
                _ => {
                    let known = "expected one of: time, families, features, profiles, tags, properties, sometimes_within, runtime";
                    return Err(syn::Error::new(name.span(), known));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

fn words(input: ParseStream<'_>) -> syn::Result<Vec<String>> {
    let inside;
    parenthesized!(inside in input);
    let words: Punctuated<LitStr, Token![,]> = Punctuated::parse_terminated(&inside)?;
    Ok(words.iter().map(LitStr::value).collect())
}

/// `90s`, `500ms`, `2m`, `1h` as seconds and nanoseconds.
fn parse_time(text: &str) -> Option<(u64, u32)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some((number / 1_000, (number % 1_000) as u32 * 1_000_000)),
        "s" => Some((number, 0)),
        "m" => Some((number.checked_mul(60)?, 0)),
        "h" => Some((number.checked_mul(3_600)?, 0)),
        _ => None,
    }
}

/// The text of doc comments.
pub(crate) fn doc_of(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(parse_time("60s"), Some((60, 0)));
        assert_eq!(parse_time("1500ms"), Some((1, 500_000_000)));
        assert_eq!(parse_time("2m"), Some((120, 0)));
        assert_eq!(parse_time("1h"), Some((3_600, 0)));
        assert_eq!(parse_time("10"), None);
        assert_eq!(parse_time("10 s"), None);
        assert_eq!(parse_time("s"), None);
    }
}
