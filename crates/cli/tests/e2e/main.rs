//! The command line end to end, on the harness's fixture: what it prints, what it exits with, and what survives a kill.

mod campaigns;
mod commands;
mod discovery;
mod help;
mod support;
