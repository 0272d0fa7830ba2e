//! Types, bounds and signatures of rustdoc's JSON as one line of text each, the same whoever wrote them: paths are cut to
//! their last name, `Self` is spelt out, bounds are sorted and stand in one place.

use serde_json::Value;

/// A list within a JSON value; empty where there is none.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text within a JSON value; empty where there is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

fn joined(parts: impl IntoIterator<Item = String>, by: &str) -> String {
    parts.into_iter().collect::<Vec<_>>().join(by)
}

/// What renders the items of one `impl`, in which `Self` has a name.
pub(crate) struct Render<'a> {
    /// The whole of rustdoc's JSON, which knows where names are defined.
    json: &'a Value,
    /// The type that `Self` is.
    pub(crate) own: String,
}

impl<'a> Render<'a> {
    pub(crate) fn new(json: &'a Value, own: &str) -> Self {
        Self { json, own: own.to_owned() }
    }

    /// A path with its arguments, as in `Result<T, JoinError>`.
    pub(crate) fn path(&self, path: &Value) -> String {
        format!("{}{}", self.name(path), self.arguments(&path["args"]))
    }

    /// The last name of a path, as it is where it is defined. What is tokio's, real or not, is told from what is another's.
    fn name(&self, path: &Value) -> String {
        let defined = &self.json["paths"][path["id"].to_string()];
        let name = match list(&defined["path"]).last() {
            Some(name) => text(name),
            None => last(text(&path["path"])),
        };
        let home = &self.json["external_crates"][defined["crate_id"].to_string()]["name"];
        let std =
            ["std", "core", "alloc"].contains(&text(home)) && ["struct", "enum"].contains(&text(&defined["kind"]));
        let common = ["Option", "Result", "Box", "Vec", "String", "Pin", "Poll", "Arc", "Rc"].contains(&name);
        if std && !common { format!("std::{name}") } else { name.to_owned() }
    }

    fn arguments(&self, arguments: &Value) -> String {
        if let Some(brackets) = arguments.get("angle_bracketed") {
            let plain = list(&brackets["args"]).iter().map(|a| self.argument(a));
            let named = list(&brackets["constraints"]).iter().map(|c| self.constraint(c));
            // Lifetimes that are left out and those that are written as `'_` are the same.
            let all: Vec<_> = plain.chain(named).filter(|a| a != "'_").collect();
            return if all.is_empty() { String::new() } else { format!("<{}>", all.join(", ")) };
        }
        if let Some(called) = arguments.get("parenthesized") {
            let inputs = joined(list(&called["inputs"]).iter().map(|t| self.of(t)), ", ");
            let output =
                if called["output"].is_null() { String::new() } else { format!(" -> {}", self.of(&called["output"])) };
            return format!("({inputs}){output}");
        }
        String::new()
    }

    fn argument(&self, argument: &Value) -> String {
        if let Some(lifetime) = argument.get("lifetime") {
            return text(lifetime).to_owned();
        }
        match (argument.get("type"), argument.get("const")) {
            (Some(of), _) => self.of(of),
            (None, Some(constant)) => text(&constant["expr"]).to_owned(),
            (None, None) => "_".to_owned(),
        }
    }

    fn constraint(&self, constraint: &Value) -> String {
        let name = text(&constraint["name"]);
        match constraint["binding"].get("equality") {
            Some(equal) => format!("{name} = {}", self.of(equal.get("type").unwrap_or(equal))),
            None => format!("{name}: {}", self.bounds(&constraint["binding"]["constraint"])),
        }
    }

    /// A type.
    pub(crate) fn of(&self, of: &Value) -> String {
        if let Some(path) = of.get("resolved_path") {
            return self.path(path);
        }
        if let Some(name) = of.get("generic").or_else(|| of.get("primitive")) {
            return if name == "Self" { self.own.clone() } else { text(name).to_owned() };
        }
        if let Some(parts) = of.get("tuple") {
            return format!("({})", joined(list(parts).iter().map(|t| self.of(t)), ", "));
        }
        if let Some(part) = of.get("slice") {
            return format!("[{}]", self.of(part));
        }
        if let Some(array) = of.get("array") {
            return format!("[{}; {}]", self.of(&array["type"]), text(&array["len"]));
        }
        if let Some(reference) = of.get("borrowed_ref") {
            let lifetime =
                reference["lifetime"].as_str().filter(|l| *l != "'_").map(|l| format!("{l} ")).unwrap_or_default();
            let mutable = if reference["is_mutable"] == true { "mut " } else { "" };
            return format!("&{lifetime}{mutable}{}", self.of(&reference["type"]));
        }
        if let Some(pointer) = of.get("raw_pointer") {
            let kind = if pointer["is_mutable"] == true { "mut" } else { "const" };
            return format!("*{kind} {}", self.of(&pointer["type"]));
        }
        if let Some(bounds) = of.get("impl_trait") {
            return format!("impl {}", self.bounds(bounds));
        }
        if let Some(object) = of.get("dyn_trait") {
            let traits = list(&object["traits"]).iter().map(|t| self.path(&t["trait"]));
            let lifetime = object["lifetime"].as_str().map(str::to_owned);
            return format!("dyn {}", joined(traits.chain(lifetime), " + "));
        }
        if let Some(path) = of.get("qualified_path") {
            let own = self.of(&path["self_type"]);
            return format!("{own}::{}{}", text(&path["name"]), self.arguments(&path["args"]));
        }
        if let Some(function) = of.get("function_pointer") {
            return format!("fn{}", self.inputs_and_output(&function["sig"]));
        }
        of.to_string()
    }

    /// Bounds, sorted.
    pub(crate) fn bounds(&self, bounds: &Value) -> String {
        let mut all: Vec<String> = list(bounds).iter().filter_map(|b| self.bound(b)).collect();
        all.sort();
        all.join(" + ")
    }

    fn bound(&self, bound: &Value) -> Option<String> {
        if let Some(of) = bound.get("trait_bound") {
            let maybe = if of["modifier"] == "maybe" { "?" } else { "" };
            return Some(format!("{maybe}{}", self.path(&of["trait"])));
        }
        // `use<…>` says what an `impl Trait` captures: an edition's default for one, written out by another.
        bound.get("outlives").map(|lifetime| text(lifetime).to_owned())
    }

    /// Every bound of some generics, as ` where …`, each thing once.
    pub(crate) fn generics(&self, generics: &Value) -> String {
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        let mut add = |what: String, bounds: &Value| {
            let bounds = list(bounds).iter().filter_map(|b| self.bound(b));
            match all.iter_mut().find(|(name, _)| *name == what) {
                Some((_, known)) => known.extend(bounds),
                None => all.push((what, bounds.collect())),
            }
        };
        for param in list(&generics["params"]) {
            if let Some(of) = param["kind"].get("type").filter(|of| of["is_synthetic"] != true) {
                add(text(&param["name"]).to_owned(), &of["bounds"]);
            }
        }
        for predicate in list(&generics["where_predicates"]) {
            if let Some(bound) = predicate.get("bound_predicate") {
                add(self.of(&bound["type"]), &bound["bounds"]);
            }
        }
        all.retain(|(_, bounds)| !bounds.is_empty());
        if all.is_empty() {
            return String::new();
        }
        all.sort();
        let all = all.into_iter().map(|(what, mut bounds)| {
            bounds.sort();
            bounds.dedup();
            format!("{what}: {}", bounds.join(" + "))
        });
        format!(" where {}", joined(all, ", "))
    }

    fn inputs_and_output(&self, signature: &Value) -> String {
        let inputs = list(&signature["inputs"]).iter().map(|input| {
            let of = self.of(&input[1]);
            if input[0] == "self" { format!("self: {of}") } else { of }
        });
        let inputs = joined(inputs, ", ");
        let output = &signature["output"];
        let output = if output.is_null() { String::new() } else { format!(" -> {}", self.of(output)) };
        format!("({inputs}){output}")
    }

    /// A function: what it takes and gives, and its bounds.
    pub(crate) fn function(&self, function: &Value) -> String {
        let header = &function["header"];
        let words = [("is_const", "const "), ("is_async", "async "), ("is_unsafe", "unsafe ")];
        let words: String = words.iter().filter(|(flag, _)| header[flag] == true).map(|(_, word)| *word).collect();
        format!("{words}fn{}{}", self.inputs_and_output(&function["sig"]), self.generics(&function["generics"]))
    }
}
