//! The command line end to end, on the harness's fixture: what it prints, what it exits with, and what survives a kill.

mod any_project;
mod campaigns;
mod commands;
mod discovery;
mod help;
mod support;
