//! `#[stormglass::scenario]`, which registers an async function as a scenario of its test target and leaves it as it was
//! written, so that one scenario can call another; and tokio's `main` and `test` for programs that may be simulated.

#![forbid(unsafe_code)]

mod arguments;
mod program;

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemFn, parse_macro_input};

use arguments::Arguments;

/// Makes `async fn name(sim: Sim) -> …` a scenario.
///
/// Arguments, all optional: `time = "60s"` (the virtual time it may take), `families("network", "process")`,
/// `features(…)`, `profiles(…)` and `tags(…)` for `list` and for selection; `properties("crate::module")`, the modules whose
/// `sometimes!` and its kin it is to meet, and `sometimes_within = 500`, after how many seeds a campaign fails that did not;
/// `runtime = "madsim"` or `"kernel"`, where it does not compile over the other.
#[proc_macro_attribute]
pub fn scenario(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let function = parse_macro_input!(item as ItemFn);
    expand(&arguments, &function).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// As `#[tokio::test]`. In a process that was asked for a simulation, the test's body runs there.
#[proc_macro_attribute]
pub fn tokio_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    program::expand(program::Kind::Test, arguments.into(), item.into()).into()
}

/// As `#[tokio::main]`. In a process that was asked for a simulation, the program runs there.
#[proc_macro_attribute]
pub fn tokio_main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    program::expand(program::Kind::Main, arguments.into(), item.into()).into()
}

fn expand(arguments: &Arguments, function: &ItemFn) -> syn::Result<proc_macro2::TokenStream> {
    if function.sig.asyncness.is_none() {
        return Err(syn::Error::new_spanned(function.sig.fn_token, "a scenario is an `async fn`"));
    }
    if function.sig.inputs.len() != 1 {
        return Err(syn::Error::new_spanned(&function.sig, "a scenario takes one argument, `sim: Sim`"));
    }
    let ident = &function.sig.ident;
    let name = ident.to_string();
    let doc = arguments::doc_of(&function.attrs);
    let Arguments { seconds, nanos, families, features, profiles, tags, properties, sometimes_within, runtime } =
        arguments;
    // The crate that goes by the name `stormglass` has a module for each runtime that it is.
    let runtime = runtime.as_ref().map(|runtime| {
        let module = syn::Ident::new(&runtime.value(), runtime.span());
        quote!(use ::stormglass::runtimes::#module as _;)
    });
    let sometimes_within = match sometimes_within {
        Some(seeds) => quote!(::core::option::Option::Some(#seeds)),
        None => quote!(::core::option::Option::None),
    };
    Ok(quote! {
        #function

        const _: () = {
            #runtime

            fn run(
                request: &::stormglass::harness::RunRequest,
            ) -> ::core::result::Result<::stormglass::harness::RunRecord, ::stormglass::harness::Refusal> {
                ::stormglass::run_scenario(&SCENARIO, request, #ident)
            }

            ::stormglass::harness::register!(SCENARIO = ::stormglass::harness::ScenarioDef {
                name: #name,
                doc: #doc,
                file: ::core::file!(),
                line: ::core::line!(),
                defaults: ::stormglass::harness::Defaults {
                    virtual_time: ::core::time::Duration::new(#seconds, #nanos),
                    families: &[#(#families),*],
                    features: &[#(#features),*],
                    profiles: &[#(#profiles),*],
                    properties: &[#(#properties),*],
                    sometimes_within: #sometimes_within,
                },
                tags: &[#(#tags),*],
                prepare: ::stormglass::prepare,
                run,
                render_trace: ::stormglass::render_trace,
            });
        };
    })
}
