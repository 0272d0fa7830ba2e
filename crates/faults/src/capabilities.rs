//! What a world can do: a set of effect kinds, so that a plan is refused by name before a run and not half-way through.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of an [`Effect`](crate::Effect), without its target and parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EffectKind {
    /// Links that drop everything.
    Cut,
    /// Links that delay.
    Latency,
    /// Links that drop at random.
    Loss,
    /// A port that is filtered.
    BlockPort,
    /// A process that is killed.
    Kill,
    /// A machine that loses power.
    PowerLoss,
    /// A process that is asked to stop.
    Stop,
    /// A process that is paused.
    Pause,
    /// A processor that is slow.
    Slow,
    /// A disk that fails.
    Disk,
    /// Clocks that go wrong.
    Clock,
    /// Links that duplicate, corrupt, reorder or are narrow.
    Impair,
    /// Names that cannot be looked up, or have an old address.
    Names,
    /// A process that is kept from the processor.
    Starve,
    /// A process that runs out of file descriptors.
    Descriptors,
    /// A process that runs out of memory.
    Memory,
    /// A machine that is suspended.
    Suspend,
    /// A node whose next boot is of another version.
    Upgrade,
    /// A machine whose disk is replaced.
    NewDisk,
    /// Two machines whose disks change places.
    SwapDisks,
}

impl EffectKind {
    /// Every kind, in order.
    pub const ALL: [EffectKind; 20] = [
        EffectKind::Cut,
        EffectKind::Latency,
        EffectKind::Loss,
        EffectKind::BlockPort,
        EffectKind::Kill,
        EffectKind::PowerLoss,
        EffectKind::Stop,
        EffectKind::Pause,
        EffectKind::Slow,
        EffectKind::Disk,
        EffectKind::Clock,
        EffectKind::Impair,
        EffectKind::Names,
        EffectKind::Starve,
        EffectKind::Descriptors,
        EffectKind::Memory,
        EffectKind::Suspend,
        EffectKind::Upgrade,
        EffectKind::NewDisk,
        EffectKind::SwapDisks,
    ];

    /// Its name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EffectKind::Cut => "cut",
            EffectKind::Latency => "latency",
            EffectKind::Loss => "loss",
            EffectKind::BlockPort => "block-port",
            EffectKind::Kill => "kill",
            EffectKind::PowerLoss => "power-loss",
            EffectKind::Stop => "stop",
            EffectKind::Pause => "pause",
            EffectKind::Slow => "slow",
            EffectKind::Disk => "disk",
            EffectKind::Clock => "clock",
            EffectKind::Impair => "impair",
            EffectKind::Names => "names",
            EffectKind::Starve => "starve",
            EffectKind::Descriptors => "descriptors",
            EffectKind::Memory => "memory",
            EffectKind::Suspend => "suspend",
            EffectKind::Upgrade => "upgrade",
            EffectKind::NewDisk => "new-disk",
            EffectKind::SwapDisks => "swap-disks",
        }
    }
}

impl fmt::Display for EffectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The effects that a [`World`](crate::World) can carry out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Nothing at all.
    pub const NONE: Capabilities = Capabilities(0);

    /// Every effect that this version of the crate knows.
    #[must_use]
    pub fn all() -> Capabilities {
        Capabilities::of(EffectKind::ALL)
    }

    /// Exactly these.
    #[must_use]
    pub fn of(kinds: impl IntoIterator<Item = EffectKind>) -> Capabilities {
        kinds.into_iter().fold(Capabilities::NONE, Capabilities::with)
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, kind: EffectKind) -> Capabilities {
        Capabilities(self.0 | 1 << kind as u32)
    }

    /// These but for one.
    #[must_use]
    pub const fn without(self, kind: EffectKind) -> Capabilities {
        Capabilities(self.0 & !(1 << kind as u32))
    }

    /// Whether the world can do it.
    #[must_use]
    pub const fn has(self, kind: EffectKind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }

    /// The kinds, in order.
    pub fn iter(self) -> impl Iterator<Item = EffectKind> {
        EffectKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl FromIterator<EffectKind> for Capabilities {
    fn from_iter<I: IntoIterator<Item = EffectKind>>(kinds: I) -> Capabilities {
        Capabilities::of(kinds)
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(EffectKind::name).collect();
        f.pad(&if names.is_empty() { "nothing".to_owned() } else { names.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_a_bit_of_its_own() {
        for kind in EffectKind::ALL {
            assert!(Capabilities::all().has(kind));
            let others = Capabilities::all().without(kind);
            assert!(!others.has(kind));
            assert_eq!(others.iter().count(), EffectKind::ALL.len() - 1);
            assert_eq!(others.with(kind), Capabilities::all());
        }
        assert_eq!(Capabilities::NONE.to_string(), "nothing");
        assert_eq!(Capabilities::of([EffectKind::Kill, EffectKind::Cut]).to_string(), "cut, kill");
    }
}
