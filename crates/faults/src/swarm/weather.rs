//! Storms and lulls: when faults may begin. A cluster that never rests never gets far enough to break.

use std::time::Duration;

use super::Profile;
use crate::{Seed, Stream};

/// The storms within a window. They are the same for every lane and depend on no lane.
pub(super) struct Weather {
    storms: Vec<(Duration, Duration)>,
    total: Duration,
}

impl Weather {
    /// Draws storms and lulls from `start` to `end`, beginning with a storm.
    pub(super) fn draw(seed: Seed, profile: Profile, start: Duration, end: Duration) -> Weather {
        let (mut storms, mut total, mut at) = (Vec::new(), Duration::ZERO, start);
        for ordinal in 0.. {
            let mut stream = Stream::new(seed, "plan.weather", ordinal);
            let until = at.saturating_add(stream.log_duration(profile.storm())).min(end);
            storms.push((at, until));
            total += until - at;
            at = until.saturating_add(stream.log_duration(profile.lull()));
            if at >= end {
                break;
            }
        }
        Weather { storms, total }
    }

    /// All storms together.
    pub(super) fn total(&self) -> Duration {
        self.total
    }

    /// The instant at which so much of stormy time has passed; `None` after the last storm.
    pub(super) fn instant(&self, mut stormy: Duration) -> Option<Duration> {
        for (start, end) in &self.storms {
            match stormy.checked_sub(*end - *start) {
                None => return Some(*start + stormy),
                Some(rest) => stormy = rest,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stormy_time_maps_into_storms_and_never_into_a_lull() {
        let (start, end) = (Duration::from_secs(2), Duration::from_secs(50));
        let weather = Weather::draw(Seed(1), Profile::Calm, start, end);
        assert!(weather.storms.len() > 2 && weather.storms[0].0 == start);
        let mut last = Duration::ZERO;
        for step in 0..1_000 {
            let instant = weather.instant(weather.total() * step / 1_000).expect("before the last storm's end");
            assert!(weather.storms.iter().any(|(from, to)| (*from..*to).contains(&instant)));
            assert!(instant >= last && instant < end);
            last = instant;
        }
        assert_eq!(weather.instant(weather.total()), None);
    }
}
