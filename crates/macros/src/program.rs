//! `#[tokio::test]` and `#[tokio::main]` of a program that may run in a simulation.
//!
//! The body becomes a function of its own. Where the process was asked for a simulation it runs there; otherwise tokio's
//! own attribute runs it, with the arguments as they were written, so that every rule and message about them is
//! tokio's.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::{Expr, ExprLit, ItemFn, Lit, Meta, Path, ReturnType, Token, TypeImplTrait, parse_quote};

/// Which attribute it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Main,
    Test,
}

/// The attribute's arguments, as far as they are looked at here.
struct Arguments {
    tokens: TokenStream,
    /// What the user calls tokio.
    tokio: Path,
    flavor: Option<String>,
    /// Whether they ask for a runtime that begins with its clock paused.
    paused: bool,
}

impl Arguments {
    fn read(tokens: TokenStream) -> Self {
        let mut read = Self { tokens: tokens.clone(), tokio: parse_quote!(tokio), flavor: None, paused: false };
        // What cannot be read is left to tokio's attribute, which says what is wrong with it.
        let metas = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens).unwrap_or_default();
        for meta in &metas {
            let Meta::NameValue(pair) = meta else { continue };
            if pair.path.is_ident("flavor") {
                read.flavor = Some(match &pair.value {
                    Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.value(),
                    _ => String::new(),
                });
            }
            read.paused |= pair.path.is_ident("start_paused");
            if pair.path.is_ident("crate")
                && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
                && let Ok(path) = text.parse()
            {
                read.tokio = path;
            }
        }
        read
    }
}

struct FindImpl(bool);

impl Visit<'_> for FindImpl {
    fn visit_type_impl_trait(&mut self, _: &TypeImplTrait) {
        self.0 = true;
    }
}

/// Whether the function can be split in two: it is `async`, takes nothing, and its output has a name.
fn can_be_split(function: &ItemFn) -> bool {
    let mut hidden = FindImpl(false);
    if let ReturnType::Type(_, output) = &function.sig.output {
        hidden.visit_type(output);
    }
    function.sig.asyncness.is_some()
        && function.sig.inputs.is_empty()
        && function.sig.generics.params.is_empty()
        && !hidden.0
}

/// Expands `#[tokio::test(arguments)]` or `#[tokio::main(arguments)]`.
pub(crate) fn expand(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let Arguments { tokens, tokio, flavor, paused } = Arguments::read(arguments);
    let attribute = match kind {
        Kind::Main => quote!(real_main),
        Kind::Test => quote!(real_test),
    };
    let as_written = || quote!(#[#tokio::support::#attribute(#tokens)] #item);
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else { return as_written() };
    if !can_be_split(&function) {
        return as_written();
    }
    let ItemFn { attrs, vis, sig, block } = &function;
    let (name, output) = (&sig.ident, &sig.output);
    // A test has a runtime on its own thread unless it says otherwise.
    let mut outside = tokens.into_token_stream();
    if kind == Kind::Test && flavor.is_none() {
        outside = if outside.is_empty() {
            quote!(flavor = "current_thread")
        } else {
            quote!(flavor = "current_thread", #outside)
        };
    }
    let test = (kind == Kind::Test).then(|| quote!(#[::core::prelude::v1::test]));
    let one_thread = flavor.map_or(kind == Kind::Test, |flavor| flavor == "current_thread");
    // The body of a runtime of one thread is polled where its tasks are. Any other runtime is built as the attribute says, and
    // the body runs at the top of the program, on a thread of its own.
    let simulated = (one_thread && !paused).then(|| {
        quote! {
            if #tokio::support::is_to_be_simulated() {
                return #tokio::support::simulate(body);
            }
        }
    });
    quote! {
        #test
        #(#attrs)*
        #vis fn #name() #output {
            #[allow(clippy::unused_async)]
            async fn body() #output #block

            #simulated

            #[#tokio::support::real_main(#outside)]
            async fn outside() #output {
                body().await
            }
            outside()
        }
    }
}
