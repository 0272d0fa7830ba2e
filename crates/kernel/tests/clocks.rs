//! Clocks and timers as laws: whatever was done to a clock, it keeps its rate, a monotonic one never goes back, and the
//! instant at which it will show a time is the first one at which it does.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use proptest::prelude::*;
use stormglass_kernel::{Clock, DRIFT_PPB_MAX, Options, SLEW_PPB, Simulation, TimerId, VirtualTime, with};

/// What can be done to a clock.
#[derive(Clone, Copy, Debug)]
enum Adjustment {
    Drift(i64),
    Step(i64),
    Slew(i64),
    Freeze,
    RunEvenly,
}

fn forward() -> impl Strategy<Value = Adjustment> {
    prop_oneof![
        (-DRIFT_PPB_MAX..=DRIFT_PPB_MAX).prop_map(Adjustment::Drift),
        (0..1_i64 << 40).prop_map(Adjustment::Step),
        (-1_000_000_000..1_000_000_000_i64).prop_map(Adjustment::Slew),
        Just(Adjustment::Freeze),
        Just(Adjustment::RunEvenly),
    ]
}

fn apply(clock: &mut Clock, now: VirtualTime, adjustment: Adjustment) {
    match adjustment {
        Adjustment::Drift(ppb) => clock.set_drift(now, ppb),
        Adjustment::Step(ns) => clock.step(now, ns),
        Adjustment::Slew(ns) => clock.slew(now, ns),
        Adjustment::Freeze => clock.freeze(now),
        Adjustment::RunEvenly => clock.run_evenly(now),
    }
}

fn at(ns: u64) -> VirtualTime {
    VirtualTime::from_nanos(ns)
}

/// Waits for a time of the node's own clock.
struct Until(u64, Option<TimerId>);

impl Future for Until {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.0;
        let fired = with(|u| {
            let timer = *self.1.get_or_insert_with(|| u.kernel.create_timer(deadline));
            u.kernel.poll_timer(timer, cx.waker())
        });
        if fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

proptest! {
    #[test]
    fn a_monotonic_clock_never_goes_back(
        base in 0..1_u64 << 60,
        changes in prop::collection::vec((0..1_u64 << 36, forward()), 0..12),
        reads in prop::collection::vec(0..1_u64 << 36, 1..20),
    ) {
        let mut clock = Clock::starting_at(base);
        let (mut now, mut shown) = (0, base);
        for ((later, change), read) in changes.iter().zip(reads.iter().cycle()) {
            now += later;
            prop_assert!(clock.read_ns(at(now)) >= shown);
            shown = clock.read_ns(at(now));
            apply(&mut clock, at(now), *change);
            prop_assert!(clock.read_ns(at(now)) >= shown, "{change:?} took it back");
            shown = clock.read_ns(at(now));
            now += read;
            prop_assert!(clock.read_ns(at(now)) >= shown);
            shown = clock.read_ns(at(now));
        }
    }

    #[test]
    fn when_is_the_first_instant_at_which_the_clock_shows_the_time(
        base in 0..1_u64 << 60,
        changes in prop::collection::vec((0..1_u64 << 36, forward()), 1..8),
        ahead in 1..1_u64 << 38,
    ) {
        let mut clock = Clock::starting_at(base);
        let mut now = 0;
        for (later, change) in changes {
            now += later;
            apply(&mut clock, at(now), change);
        }
        let target = clock.read_ns(at(now)) + ahead;
        let when = clock.when_ns(target);
        if when.as_nanos() < 1 << 62 {
            // A slew and what follows it are each cut to whole nanoseconds, so that one may be missing at the seam.
            prop_assert!(clock.read_ns(when) + 1 >= target);
            prop_assert!(clock.read_ns(at(when.as_nanos() - 1)) <= target);
        } else {
            prop_assert_eq!(clock.read_ns(at(now + (1 << 40))), clock.read_ns(at(now)), "only a frozen clock never gets there");
        }
    }

    #[test]
    fn a_clock_gains_exactly_its_rate(drift in -DRIFT_PPB_MAX..=DRIFT_PPB_MAX, seconds in 1..100_000_u64) {
        let mut clock = Clock::starting_at(0);
        clock.set_drift(at(0), drift);
        let gained = clock.read_ns(at(seconds * 1_000_000_000)) as i128 - i128::from(seconds) * 1_000_000_000;
        prop_assert_eq!(gained, i128::from(drift) * i128::from(seconds));
    }

    #[test]
    fn a_slewed_clock_is_never_faster_than_ntp_has_it(by in -10_000_000..10_000_000_i64, later in 1..1_u64 << 36) {
        let mut clock = Clock::starting_at(1 << 50);
        clock.slew(at(0), by);
        let (one, two) = (clock.read_ns(at(later)), clock.read_ns(at(later + 1_000_000_000)));
        prop_assert!((two - one).abs_diff(1_000_000_000) <= SLEW_PPB.unsigned_abs() + 1);
        let end = clock.read_ns(at(1 << 45));
        prop_assert!((i128::from(end) - (1_i128 << 50) - (1_i128 << 45) - i128::from(by)).abs() <= 1);
    }

    #[test]
    fn timers_run_on_the_nodes_clock_whatever_is_done_to_it(
        changes in prop::collection::vec((1..2_000_000_000_u64, forward()), 0..6),
        delay in 1..5_000_000_000_u64,
    ) {
        let mut simulation = Simulation::new(Options::new(1));
        let node = simulation.universe().kernel.add_node("n1").expect("a new name");
        let fired = Rc::new(RefCell::new(None));
        let seen = Rc::clone(&fired);
        simulation.set_program(node, Rc::new(move || {
            let seen = Rc::clone(&seen);
            Box::pin(async move {
                let deadline = with(|u| u.kernel.peek_timer_clock_ns()) + delay;
                Until(deadline, None).await;
                *seen.borrow_mut() = Some((deadline, with(|u| u.kernel.peek_timer_clock_ns())));
            })
        }));
        let frozen = Rc::new(RefCell::new(false));
        let is_frozen = Rc::clone(&frozen);
        let report = simulation.run(async move {
            with(|u| u.kernel.boot(node));
            for (later, change) in changes {
                let deadline = with(|u| u.kernel.peek_timer_clock_ns()) + later;
                Until(deadline, None).await;
                with(|u| u.kernel.adjust_clocks(node, |now, clocks| apply(clocks.monotonic, now, change)));
                match change {
                    Adjustment::Freeze => *is_frozen.borrow_mut() = true,
                    Adjustment::RunEvenly | Adjustment::Slew(_) => *is_frozen.borrow_mut() = false,
                    Adjustment::Drift(_) | Adjustment::Step(_) => {}
                }
            }
            let deadline = with(|u| u.kernel.peek_timer_clock_ns()) + 3_000_000_000_000;
            Until(deadline, None).await;
        });
        prop_assert!(report.outcome.is_ok(), "{:?}", report.outcome);
        let fired = *fired.borrow();
        match fired {
            // Within the cost of a poll or two, and the nanosecond of a seam.
            Some((deadline, shown)) => prop_assert!(shown + 1 >= deadline, "{shown} before {deadline}"),
            None => prop_assert!(*frozen.borrow(), "a clock that runs gets there"),
        }
    }
}
