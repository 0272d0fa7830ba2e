# Thin aliases: nothing depends on `just` being installed.

# The tests, as the README runs them.
test:
    cargo test

# Everything that a change must pass.
ci:
    bash .ci/run

# A campaign of the mixed scenario.
fuzz *ARGS:
    cargo stormglass fuzz chainfire_mixed {{ARGS}}

# Benchmarks.
bench:
    cargo bench

# The book, if mdbook is installed.
book:
    mdbook build docs
