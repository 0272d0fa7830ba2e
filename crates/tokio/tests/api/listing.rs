//! The public API of a crate, read from rustdoc's JSON: one line for each name, with its signature, and for each trait
//! that a type implements, auto traits included.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::render::{Render, list, text};

/// The version of rustdoc's format that this reads.
const FORMAT: u64 = 57;

/// One line for each public name, sorted.
pub(crate) type Api = BTreeSet<String>;

/// A crate's API, and where its items are found by the paths at which they are written.
pub(crate) struct Listing {
    pub(crate) api: Api,
    /// From the path of a definition to the public path.
    places: BTreeMap<String, String>,
}

/// Reads rustdoc's JSON. What is re-exported from the real tokio is looked up in `real`.
pub(crate) fn read(json: &str, real: Option<&Listing>) -> Result<Listing, String> {
    let json: Value = serde_json::from_str(json).map_err(|error| format!("rustdoc's JSON: {error}"))?;
    if json["format_version"] != FORMAT {
        return Err(format!("rustdoc writes format {}, and this reads {FORMAT}", json["format_version"]));
    }
    let mut walk = Walk { json: &json, real, listing: Listing { api: Api::new(), places: BTreeMap::new() } };
    let root = walk.item(&json["root"]).cloned().unwrap_or_default();
    walk.module(&root, "");
    Ok(walk.listing)
}

struct Walk<'a> {
    json: &'a Value,
    real: Option<&'a Listing>,
    listing: Listing,
}

fn under(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") }
}

impl<'a> Walk<'a> {
    fn item(&self, id: &Value) -> Option<&'a Value> {
        self.json["index"].get(id.to_string())
    }

    fn items(&self, ids: &Value) -> Vec<&'a Value> {
        list(ids).iter().filter_map(|id| self.item(id)).collect()
    }

    fn add(&mut self, line: String) {
        self.listing.api.insert(line);
    }

    fn module(&mut self, module: &Value, path: &str) {
        for id in list(&module["inner"]["module"]["items"]) {
            if let Some(item) = self.item(id).filter(|item| item["visibility"] == "public") {
                self.name(item, path, text(&item["name"]));
            }
        }
    }

    /// Lists `item` as `name` in the module `path`.
    fn name(&mut self, item: &Value, path: &str, name: &str) {
        let inner = &item["inner"];
        let full = under(path, name);
        if let Some(reexport) = inner.get("use") {
            return self.reexport(reexport, path);
        }
        if let Some(defined) = self.json["paths"].get(item["id"].to_string()) {
            let defined: Vec<_> = list(&defined["path"]).iter().skip(1).map(text).collect();
            self.listing.places.insert(defined.join("::"), full.clone());
        }
        let render = Render::new(self.json, "Self");
        if inner.get("module").is_some() {
            self.add(format!("mod {full}"));
            self.module(item, &full);
        } else if let Some(function) = inner.get("function") {
            self.add(format!("{full}: {}", render.function(function)));
        } else if inner.get("macro").is_some() || inner.get("proc_macro").is_some() {
            self.add(format!("macro {full}"));
        } else if let Some(alias) = inner.get("type_alias") {
            self.add(format!("type {full} = {}", render.of(&alias["type"])));
        } else if let Some(constant) = inner.get("constant") {
            self.add(format!("const {full}: {}", render.of(&constant["type"])));
        } else if let Some(of) = inner.get("trait") {
            self.add(format!("trait {full}: {}{}", render.bounds(&of["bounds"]), render.generics(&of["generics"])));
            self.members(&of["items"], &full, &render);
        } else if let Some(of) = inner.get("struct").or_else(|| inner.get("enum")).or_else(|| inner.get("union")) {
            self.add(format!("type {full}{}", render.generics(&of["generics"])));
            for variant in self.items(&of["variants"]) {
                self.add(format!("variant {full}::{}", text(&variant["name"])));
            }
            let fields = of["kind"].get("plain").map_or(&Value::Null, |plain| &plain["fields"]);
            for field in self.items(fields) {
                let of = render.of(&field["inner"]["struct_field"]);
                self.add(format!("field {full}::{}: {of}", text(&field["name"])));
            }
            for item in self.items(&of["impls"]) {
                self.implementation(&item["inner"]["impl"], &full);
            }
        }
    }

    fn members(&mut self, ids: &Value, full: &str, render: &Render<'_>) {
        for item in self.items(ids) {
            let name = text(&item["name"]);
            if let Some(function) = item["inner"].get("function") {
                self.add(format!("{full}::{name}: {}", render.function(function)));
            } else if let Some(constant) = item["inner"].get("assoc_const") {
                self.add(format!("const {full}::{name}: {}", render.of(&constant["type"])));
            }
        }
    }

    fn implementation(&mut self, of: &Value, full: &str) {
        let own = Render::new(self.json, "Self").of(&of["for"]);
        let render = Render::new(self.json, &own);
        if of["trait"].is_null() {
            let public: Vec<Value> = list(&of["items"])
                .iter()
                .filter(|id| self.item(id).is_some_and(|item| item["visibility"] == "public"))
                .cloned()
                .collect();
            self.members(&Value::Array(public), full, &render);
            return;
        }
        let name = render.path(&of["trait"]);
        let internal = ["Drop", "Freeze", "StructuralPartialEq", "UnsafeUnpin"].contains(&name.as_str());
        if internal || !of["blanket_impl"].is_null() {
            return;
        }
        let not = if of["is_negative"] == true { "!" } else { "" };
        let output = list(&of["items"]).iter().filter_map(|id| self.item(id)).filter_map(|item| {
            let of = item["inner"].get("assoc_type")?;
            Some(format!(" {} = {}", text(&item["name"]), render.of(&of["type"])))
        });
        let output: String = output.collect();
        self.add(format!("impl {not}{name} for {full} as {own}{output}{}", render.generics(&of["generics"])));
    }

    fn reexport(&mut self, reexport: &Value, path: &str) {
        let name = text(&reexport["name"]);
        let glob = reexport["is_glob"] == true;
        if let Some(item) = self.item(&reexport["id"]) {
            if glob {
                self.module(item, path)
            } else {
                self.name(item, path, name)
            }
            return;
        }
        let source = text(&reexport["source"]);
        let defined = self.json["paths"].get(reexport["id"].to_string());
        let defined: Vec<_> = defined.map_or(Vec::new(), |d| list(&d["path"]).iter().map(text).collect());
        match (self.real, source.strip_prefix("real_tokio::"), defined.split_first()) {
            (Some(real), Some(place), _) => self.as_real(real, place, &under(path, name), glob.then_some(path)),
            (Some(real), None, Some((&"tokio", rest))) => {
                let place = real.places.get(&rest.join("::")).cloned().unwrap_or_else(|| rest.join("::"));
                self.as_real(real, &place, &under(path, name), None);
            }
            // Of another crate: std, or the crate of the attribute macros.
            _ if source.starts_with("tokio_macros") || source.starts_with("stormglass_macros") => {
                self.add(format!("macro {}", under(path, name)));
            }
            _ => self.add(format!("use {} = {}", under(path, name), source.trim_start_matches("crate::"))),
        }
    }

    /// Lists what is at `place` in the real tokio as `full`, or, for a glob, what is in it as what is in `into`.
    fn as_real(&mut self, real: &Listing, place: &str, full: &str, into: Option<&str>) {
        let (from, to) = match into {
            Some(into) => (format!("{place}::"), format!("{into}::")),
            None => (place.to_owned(), full.to_owned()),
        };
        for line in &real.api {
            if let Some((before, after)) = split_at_path(line, &from, into.is_some()) {
                self.listing.api.insert(format!("{before}{to}{after}"));
            }
        }
    }
}

/// Cuts a line about `path`, or about something in it, before and after the path.
fn split_at_path<'l>(line: &'l str, path: &str, glob: bool) -> Option<(&'l str, &'l str)> {
    let words = ["", "mod ", "macro ", "type ", "const ", "trait ", "variant ", "field ", "use "];
    let start = if line.starts_with("impl ") {
        line.find(" for ").map(|at| at + 5)
    } else {
        words.iter().filter(|word| line.starts_with(**word)).map(|word| word.len()).max()
    }?;
    let after = line[start..].strip_prefix(path)?;
    let whole = glob || after.is_empty() || after.starts_with("::") || after.starts_with([':', ' ', '<']);
    whole.then_some((&line[..start], after))
}
