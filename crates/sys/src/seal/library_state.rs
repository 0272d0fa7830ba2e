//! The state that some libraries keep once per thread or process: generators of random numbers, and a cache. On real
//! machines every node has its own; the nodes of a simulation share one thread. So the places of that state are looked up
//! among the symbols of the executable, by name, and each node gets an image of its own, swapped in when it runs.

#[cfg(sealed_tier)]
use std::sync::OnceLock;

/// What becomes of a place.
#[cfg(sealed_tier)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A new process has it as the program began.
    Fresh,
    /// A new process begins with a drawn word there: the library has nothing better than a count or an address.
    Drawn,
    /// Nodes must share it: what one of them made of it another may use. It is only seen whether it was used.
    Shared,
}

/// What is looked for: a part of the mangled symbol, which is the same in Rust's two manglings and for every version of
/// the library in the program.
#[cfg(sealed_tier)]
const WANTED: [(&str, &str, Part); 8] = [
    ("rand's ThreadRng", "4rand4rngs6thread14THREAD_RNG_KEY", Part::Fresh),
    ("futures' select!", "12futures_util11async_await6random6random3RNG", Part::Fresh),
    // All that a generator of `futures` is seeded from: how many there were before.
    ("futures' select!", "12futures_util11async_await6random6random9prng_seed7COUNTER", Part::Drawn),
    // Maps look it up whenever they hash, and nodes may share a map.
    ("foldhash", "8foldhash4seed6global19GLOBAL_SEED_STORAGE", Part::Shared),
    ("foldhash", "8foldhash4seed19gen_per_hasher_seed25PER_HASHER_NONDETERMINISM", Part::Drawn),
    ("uuid's counter", "4uuid9timestamp7context10v7_support10CONTEXT_V7", Part::Fresh),
    ("chrono's time zone", "6chrono6offset5local5inner7TZ_INFO", Part::Fresh),
    // What is behind this pointer is used by its address.
    ("ahash", "5ahash12random_state15get_fixed_seeds5SEEDS", Part::Shared),
];

/// One place, as the executable has it.
#[cfg(sealed_tier)]
struct Place {
    library: &'static str,
    part: Part,
    thread_local: bool,
    /// From the start of the thread's block, or of the executable in memory.
    offset: usize,
    length: usize,
}

/// The places of this executable; `None` where it has no symbols to read.
#[cfg(sealed_tier)]
static PLACES: OnceLock<Option<Vec<Place>>> = OnceLock::new();

/// The libraries of this program whose state each node can have for itself. `None` where that cannot be told: the
/// executable is stripped, or the platform is outside the sealed tier.
///
/// Reads the executable's symbols the first time, some milliseconds; a fork server asks before it forks.
#[must_use]
pub fn libraries_with_state() -> Option<Vec<&'static str>> {
    #[cfg(sealed_tier)]
    {
        let own = read::places()?.iter().filter(|place| place.part != Part::Shared);
        let mut names: Vec<_> = own.map(|place| place.library).collect();
        names.sort_unstable();
        names.dedup();
        Some(names)
    }
    #[cfg(not(sealed_tier))]
    None
}

/// The state of those libraries on this thread, as it stands in memory.
#[derive(Debug)]
pub struct LibraryState {
    #[cfg(sealed_tier)]
    cells: Vec<(std::ptr::NonNull<u8>, usize)>,
    /// What a new process begins with.
    pristine: Box<[u8]>,
    /// Where a drawn word goes in it.
    drawn: Vec<usize>,
    #[cfg(sealed_tier)]
    shared: Vec<memory::Shared>,
    not_send: std::marker::PhantomData<*const ()>,
}

/// The state of one node while another's is in memory. Never a copy: it may own memory.
#[derive(Debug)]
pub struct Image(Box<[u8]>);

impl LibraryState {
    /// Finds the state on this thread, whose own use of these libraries must not have begun: what there is now is taken for
    /// what a new process has. Nothing at all is found where [`libraries_with_state`] has no answer.
    #[must_use]
    pub fn find() -> LibraryState {
        #[cfg(sealed_tier)]
        return memory::find();
        #[cfg(not(sealed_tier))]
        LibraryState { pristine: Box::default(), drawn: Vec::new(), not_send: std::marker::PhantomData }
    }

    /// The state of a new process. `word` is put where a library takes what it begins with from a mere count, which would
    /// give the same to every process.
    #[must_use]
    pub fn pristine(&self, word: u64) -> Image {
        let mut image = self.pristine.clone();
        for &at in &self.drawn {
            image[at..at + size_of::<u64>()].copy_from_slice(&word.to_ne_bytes());
        }
        Image(image)
    }

    /// The libraries that were used since [`LibraryState::find`] and whose state all nodes share.
    #[must_use]
    pub fn shared_and_used(&self) -> Vec<&'static str> {
        #[cfg(sealed_tier)]
        {
            let used = self.shared.iter().filter(|shared| shared.was_used());
            let mut names: Vec<_> = used.map(|shared| shared.library).collect();
            // One program may have several versions.
            names.dedup();
            names
        }
        #[cfg(not(sealed_tier))]
        Vec::new()
    }

    /// Exchanges what is in memory with `image`. To be called between polls, where no library is at work.
    ///
    /// An image that is dropped is forgotten: what it owns is leaked, as when a process is killed.
    #[inline]
    pub fn swap(&mut self, image: &mut Image) {
        #[cfg(sealed_tier)]
        memory::swap(&self.cells, &mut image.0);
        #[cfg(not(sealed_tier))]
        debug_assert!(image.0.is_empty(), "nothing is found here");
    }
}

#[cfg(sealed_tier)]
mod read {
    use std::fs::File;

    use object::read::ReadCache;
    use object::read::elf::ElfFile64;
    use object::{LittleEndian, Object, ObjectSegment, ObjectSymbol, SymbolKind};

    use super::{PLACES, Part, Place, WANTED};

    pub(super) fn places() -> Option<&'static Vec<Place>> {
        PLACES.get_or_init(|| crate::seal::host(look)).as_ref()
    }

    fn look() -> Option<Vec<Place>> {
        let cache = ReadCache::new(File::open("/proc/self/exe").ok()?);
        let elf = ElfFile64::<LittleEndian, _>::parse(&cache).ok()?;
        // An executable that is not relocated has its symbols at their final addresses, as though it lay at zero.
        let in_memory = |address: u64| elf.segments().any(|s| (s.address()..s.address() + s.size()).contains(&address));
        let mut any = false;
        let mut places = Vec::new();
        for symbol in elf.symbols() {
            any = true;
            let thread_local = symbol.kind() == SymbolKind::Tls;
            if symbol.is_undefined() || !(thread_local || symbol.kind() == SymbolKind::Data) {
                continue;
            }
            let Ok(name) = symbol.name() else { continue };
            let Some(&(library, _, part)) = WANTED.iter().find(|(_, within, _)| name.contains(within)) else {
                continue;
            };
            if thread_local || in_memory(symbol.address()) {
                let offset = usize::try_from(symbol.address()).ok()?;
                let length = usize::try_from(symbol.size()).ok()?;
                if part != Part::Drawn || length == size_of::<u64>() {
                    places.push(Place { library, part, thread_local, offset, length });
                }
            }
        }
        any.then_some(places)
    }
}

#[cfg(sealed_tier)]
mod memory {
    use std::marker::PhantomData;
    use std::ptr::NonNull;

    use super::{LibraryState, Part, read};
    use crate::seal::blocks::with_blocks;

    pub(super) fn find() -> LibraryState {
        let (base, block) = with_blocks(|blocks| (blocks.executable_at, blocks.of_executable.clone()));
        let places = read::places().map_or(&[][..], Vec::as_slice);
        let (mut cells, mut pristine, mut drawn, mut shared) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for place in places {
            let base = if place.thread_local { block.start } else { base };
            let Some(cell) = NonNull::new((base + place.offset) as *mut u8) else { continue };
            if place.thread_local && place.offset + place.length > block.len() {
                continue;
            }
            // SAFETY: the symbol says that so many bytes of data are there.
            let bytes = unsafe { bytes(cell, place.length) };
            match place.part {
                Part::Shared => {
                    shared.push(Shared { library: place.library, cell, before: bytes });
                    continue;
                }
                Part::Drawn => drawn.push(pristine.len()),
                Part::Fresh => {}
            }
            pristine.extend(bytes);
            cells.push((cell, place.length));
        }
        LibraryState { cells, pristine: pristine.into_boxed_slice(), drawn, shared, not_send: PhantomData }
    }

    /// What is at a place now.
    ///
    /// # Safety
    ///
    /// So many bytes of data are there.
    unsafe fn bytes(cell: NonNull<u8>, length: usize) -> Vec<u8> {
        // SAFETY: as the caller promises, and its users are on this thread and not at work. Byte by byte and volatile: other
        // code's memory, of any layout.
        (0..length).map(|n| unsafe { cell.add(n).read_volatile() }).collect()
    }

    /// A place that nodes share.
    #[derive(Debug)]
    pub(super) struct Shared {
        pub(super) library: &'static str,
        cell: NonNull<u8>,
        before: Vec<u8>,
    }

    impl Shared {
        pub(super) fn was_used(&self) -> bool {
            // SAFETY: a place that `find` has found.
            let now = unsafe { bytes(self.cell, self.before.len()) };
            now != self.before
        }
    }

    #[inline]
    pub(super) fn swap(cells: &[(NonNull<u8>, usize)], image: &mut [u8]) {
        let mut parked = image;
        for &(cell, length) in cells {
            let Some((own, rest)) = std::mem::take(&mut parked).split_at_mut_checked(length) else { return };
            // SAFETY: as in `find`. The values themselves change places: each is in memory or in one image, so that what it
            // owns has one owner.
            unsafe { std::ptr::swap_nonoverlapping(cell.as_ptr(), own.as_mut_ptr(), length) };
            parked = rest;
        }
    }
}
