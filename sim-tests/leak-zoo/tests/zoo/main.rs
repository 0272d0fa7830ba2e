//! The leak zoo: small programs, each drawing on one thing that a machine answers differently every time. Each is
//! deterministic, and then causally stable or not; or it is refused by name and call site; or it slips past libc and
//! the second layer of the seal, which determinism checks have on, names it.
//!
//! Asked for by its own checks this binary is a worker with one scenario, `zoo`, whose parameter `animal` says which
//! program a node runs. Run as a test it judges, one test per animal: in processes that differ in environment, folder and
//! addresses, over two seeds, and with and without a neighbour that draws on the same thing before.

mod address;
mod animal;
mod cage;
mod clocks;
mod generators;
mod habitat;
mod judge;
mod machine;
mod maps;
mod order;
mod past_libc;
mod reach;
mod threads;

use std::process::ExitCode;

use animal::Animal;
use libtest_mimic::{Arguments, Trial};

/// Every animal.
fn animals() -> impl Iterator<Item = &'static Animal> {
    let rooms = [
        maps::ANIMALS,
        clocks::ANIMALS,
        generators::ANIMALS,
        order::ANIMALS,
        machine::ANIMALS,
        address::ANIMALS,
        reach::ANIMALS,
        threads::ANIMALS,
        past_libc::ANIMALS,
    ];
    rooms.into_iter().flatten()
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(stormglass::harness::WORKER_ARGUMENT) {
        return stormglass::harness::main();
    }
    let trials = animals().map(|animal| {
        Trial::test(animal.name, || {
            judge::judge(animal);
            Ok(())
        })
    });
    let mut trials: Vec<Trial> = trials.collect();
    trials.push(Trial::test("every_animal_has_a_name_of_its_own", || {
        judge::names_differ();
        Ok(())
    }));
    trials.push(Trial::test("thread_locals_begin_anew_with_every_seed", || {
        judge::thread_locals_begin_anew_with_every_seed();
        Ok(())
    }));
    trials.push(Trial::test("code_of_a_server_lies_in_huge_pages", || {
        judge::code_of_a_server_lies_in_huge_pages();
        Ok(())
    }));
    trials.push(Trial::test("the_book_says_the_same_of_every_animal", || {
        judge::the_book_says_the_same();
        Ok(())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
