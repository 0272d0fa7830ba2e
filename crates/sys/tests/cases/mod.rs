//! The cases, in the order in which they run.

mod ends;
mod io;
mod sealed;
mod server;
mod serving;
mod watched;

use std::io::Write;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use stormglass_sys::process::{Aslr, ChildEnd, Limits, ResultPipe, fork_case};

/// A case, with its name.
pub(crate) type Case = (&'static str, fn());

pub(crate) const ALL: &[Case] = &[
    // First, while the server is as small as a worker's: a fork copies page tables.
    ("ten_thousand_forks", server::ten_thousand_forks),
    ("a_result_comes_back_whole", io::a_result_comes_back_whole),
    ("large_result_and_output_do_not_deadlock", io::large_result_and_output_do_not_deadlock),
    ("a_result_past_its_limit_stops_the_case", io::a_result_past_its_limit_stops_the_case),
    ("output_is_kept_in_order", io::output_is_kept_in_order),
    ("buffered_output_of_the_server_is_not_repeated", io::buffered_output_of_the_server_is_not_repeated),
    ("a_flood_of_output_does_not_outrun_the_deadline", io::a_flood_of_output_does_not_outrun_the_deadline),
    ("a_panic_is_named", ends::a_panic_is_named),
    ("an_abort_is_named", ends::an_abort_is_named),
    ("a_stack_overflow_is_named", ends::a_stack_overflow_is_named),
    ("a_stack_overflow_of_a_thread_is_named", ends::a_stack_overflow_of_a_thread_is_named),
    ("a_failed_allocation_is_named", ends::a_failed_allocation_is_named),
    ("memory_within_the_limit_is_granted", ends::memory_within_the_limit_is_granted),
    ("a_fault_is_named", ends::a_fault_is_named),
    ("a_kill_from_outside_is_named", ends::a_kill_from_outside_is_named),
    ("an_exit_of_the_code_under_test_is_named", ends::an_exit_of_the_code_under_test_is_named),
    ("a_blocked_case_times_out", ends::a_blocked_case_times_out),
    ("a_case_can_be_given_up", ends::a_case_can_be_given_up),
    ("processor_time_and_memory_are_told", ends::processor_time_and_memory_are_told),
    ("an_endless_poll_is_named_with_its_function", watched::an_endless_poll_is_named_with_its_function),
    ("many_short_polls_are_left_alone", watched::many_short_polls_are_left_alone),
    ("work_outside_polls_is_left_alone", watched::work_outside_polls_is_left_alone),
    ("an_endless_poll_in_the_allocator_is_still_ended", watched::an_endless_poll_in_the_allocator_is_still_ended),
    ("a_server_with_threads_is_refused", server::a_server_with_threads_is_refused),
    ("a_joined_thread_does_not_count", server::a_joined_thread_does_not_count),
    ("children_run_side_by_side", server::children_run_side_by_side),
    ("a_dropped_child_is_killed", server::a_dropped_child_is_killed),
    ("a_case_dies_with_its_server", server::a_case_dies_with_its_server),
    ("statics_are_a_case_s_own", server::statics_are_a_cases_own),
    ("the_first_interrupt_asks_and_the_second_ends", server::the_first_interrupt_asks_and_the_second_ends),
    ("an_interrupt_of_the_server_is_not_inherited", server::an_interrupt_of_the_server_is_not_inherited),
    ("addresses_are_the_same_in_every_run", server::addresses_are_the_same_in_every_run),
    ("backtraces_can_be_printed_inside_a_simulation", sealed::backtraces_can_be_printed_inside_a_simulation),
    ("a_case_cannot_be_forked_inside_a_simulation", sealed::a_case_cannot_be_forked_inside_a_simulation),
    ("hash_maps_are_the_same_in_every_case", sealed::hash_maps_are_the_same_in_every_case),
    ("a_case_has_the_environment_it_is_given", sealed::a_case_has_the_environment_it_is_given),
    ("every_server_finds_the_same_heap", serving::every_server_finds_the_same_heap),
    // Last: they leave this process without an environment.
    ("every_case_finds_the_same_heap", serving::every_case_finds_the_same_heap),
    ("an_exit_drops_thread_locals_as_anywhere", serving::an_exit_drops_thread_locals_as_anywhere),
    ("what_fails_apart_is_told", serving::what_fails_apart_is_told),
];

static ASLR: OnceLock<Aslr> = OnceLock::new();

pub(crate) fn remember(aslr: Aslr) {
    ASLR.set(aslr).expect("main runs once");
}

/// Runs one case to its end, without a deadline that could pass on a slow machine.
fn run(case: impl FnOnce(&mut ResultPipe)) -> ChildEnd {
    run_within(&Limits::default(), case)
}

fn run_within(limits: &Limits, case: impl FnOnce(&mut ResultPipe)) -> ChildEnd {
    fork_case(limits, case).expect("a fork").wait(None).expect("an end")
}

fn say(pipe: &mut ResultPipe, text: &str) {
    pipe.write_all(text.as_bytes()).expect("the parent reads");
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(50))
}

/// Blocks until a signal comes.
fn block() -> ! {
    loop {
        // SAFETY: takes nothing.
        unsafe { libc::pause() };
    }
}
