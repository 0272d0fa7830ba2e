//! The bytes of a file as the page cache holds them: sparse pages, found in a step or two, zero where nothing was written.

use std::collections::BTreeMap;

use crate::options::SECTOR_BYTES;

const PAGE_BYTES: u64 = 4096;
/// Pages of one table. A table of a small file is short: it grows with the highest page used.
const TABLE_PAGES: u64 = 256;

pub(crate) type Page = Box<[u8; PAGE_BYTES as usize]>;
/// One sector's bytes.
pub(crate) type Sector = [u8; SECTOR_BYTES as usize];

/// Pages by number. Bytes at and beyond the file's size are zero: whoever shrinks a file calls [`Content::cut`].
#[derive(Debug, Default)]
pub(crate) struct Content {
    tables: BTreeMap<u64, Vec<Option<Page>>>,
}

/// Bytes of a page of the cache, and of a block of the file system.
pub(crate) const BLOCK_BYTES: u64 = PAGE_BYTES;

/// Pages that a cut took out, each with its number; the first may be a copy of a page that was cut within.
pub(crate) type Cut = Vec<(u64, Page)>;

impl Content {
    fn page(&self, number: u64) -> Option<&Page> {
        let table = self.tables.get(&(number / TABLE_PAGES))?;
        table.get((number % TABLE_PAGES) as usize)?.as_ref()
    }

    fn slot(&mut self, number: u64) -> &mut Option<Page> {
        let table = self.tables.entry(number / TABLE_PAGES).or_default();
        let index = (number % TABLE_PAGES) as usize;
        if table.len() <= index {
            table.resize_with(index + 1, || None);
        }
        &mut table[index]
    }

    fn page_mut(&mut self, number: u64) -> &mut Page {
        self.slot(number).get_or_insert_with(|| Box::new([0; PAGE_BYTES as usize]))
    }

    /// Copies the bytes at `offset` into `buffer`.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) {
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let within = (at % PAGE_BYTES) as usize;
            let count = rest.len().min(PAGE_BYTES as usize - within);
            let (part, after) = rest.split_at_mut(count);
            match self.page(at / PAGE_BYTES) {
                Some(page) => part.copy_from_slice(&page[within..within + count]),
                None => part.fill(0),
            }
            rest = after;
            at += count as u64;
        }
    }

    /// Appends the `len` bytes at `offset` to `buffer`.
    pub(crate) fn read_into(&self, offset: u64, len: usize, buffer: &mut Vec<u8>) {
        buffer.reserve(len);
        let (mut at, end) = (offset, offset + len as u64);
        while at < end {
            let within = (at % PAGE_BYTES) as usize;
            let count = ((end - at) as usize).min(PAGE_BYTES as usize - within);
            match self.page(at / PAGE_BYTES) {
                Some(page) => buffer.extend_from_slice(&page[within..within + count]),
                None => buffer.resize(buffer.len() + count, 0),
            }
            at += count as u64;
        }
    }

    /// Replaces the bytes at `offset` by `data`.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let within = (at % PAGE_BYTES) as usize;
            let count = rest.len().min(PAGE_BYTES as usize - within);
            let (part, after) = rest.split_at(count);
            self.page_mut(at / PAGE_BYTES)[within..within + count].copy_from_slice(part);
            rest = after;
            at += count as u64;
        }
    }

    /// Puts a page in the place of one that exists, and gives that one. The page given back comes again if there is none.
    pub(crate) fn exchange(&mut self, number: u64, page: Page) -> Result<Page, Page> {
        let table = self.tables.get_mut(&(number / TABLE_PAGES));
        match table.and_then(|table| table.get_mut((number % TABLE_PAGES) as usize)) {
            Some(Some(old)) => Ok(std::mem::replace(old, page)),
            _ => Err(page),
        }
    }

    /// Makes `len` bytes at `offset` zero; absent pages stay absent, and whole ones become so.
    pub(crate) fn zero(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        for number in self.pages_within(offset, end) {
            let first = number * PAGE_BYTES;
            let (from, to) = (offset.max(first) - first, end.min(first + PAGE_BYTES) - first);
            if (from, to) == (0, PAGE_BYTES) {
                *self.slot(number) = None;
            } else {
                self.page_mut(number)[from as usize..to as usize].fill(0);
            }
        }
    }

    /// The numbers of the pages that exist and touch `from..to`, in order.
    fn pages_within(&self, from: u64, to: u64) -> Vec<u64> {
        if from >= to {
            return Vec::new();
        }
        let (first, last) = (from / PAGE_BYTES, (to - 1) / PAGE_BYTES);
        let tables = self.tables.range(first / TABLE_PAGES..=last / TABLE_PAGES);
        let pages = tables.flat_map(|(table, pages)| {
            let exist = pages.iter().enumerate().filter(|(_, page)| page.is_some());
            exist.map(move |(index, _)| table * TABLE_PAGES + index as u64)
        });
        pages.filter(|number| (first..=last).contains(number)).collect()
    }

    /// Copies of the pages that touch a range, for [`Content::uncut`].
    pub(crate) fn copy_of(&self, offset: u64, len: u64) -> Cut {
        let numbers = self.pages_within(offset, offset.saturating_add(len));
        numbers.into_iter().filter_map(|number| Some((number, self.page(number)?.clone()))).collect()
    }

    /// Sectors in pages that exist and touch a range.
    pub(crate) fn sectors_within(&self, offset: u64, len: u64) -> Vec<u64> {
        let end = offset.saturating_add(len);
        let pages = self.pages_within(offset, end).into_iter();
        let per_page = PAGE_BYTES / SECTOR_BYTES;
        let sectors = pages.flat_map(|page| page * per_page..(page + 1) * per_page);
        sectors.filter(|s| s * SECTOR_BYTES < end && (s + 1) * SECTOR_BYTES > offset).collect()
    }

    /// Whether the page that holds a byte exists.
    pub(crate) fn has_page_at(&self, offset: u64) -> bool {
        self.page(offset / PAGE_BYTES).is_some()
    }

    /// The first byte at or after `offset` and before `end` whose page exists.
    pub(crate) fn next_data(&self, offset: u64, end: u64) -> Option<u64> {
        let page = self.pages_within(offset, end).into_iter().next()?;
        Some(offset.max(page * PAGE_BYTES))
    }

    /// The first byte at or after `offset` whose page does not exist.
    pub(crate) fn next_hole(&self, offset: u64) -> u64 {
        let mut at = offset;
        while self.has_page_at(at) {
            at = (at / PAGE_BYTES + 1) * PAGE_BYTES;
        }
        at
    }

    /// Pages that exist.
    pub(crate) fn pages(&self) -> u64 {
        self.tables.values().flatten().filter(|page| page.is_some()).count() as u64
    }

    /// Takes out everything at and beyond `size`.
    pub(crate) fn cut(&mut self, size: u64) -> Cut {
        let mut cut = Vec::new();
        let first_whole = size.div_ceil(PAGE_BYTES);
        let within = (size % PAGE_BYTES) as usize;
        if within != 0
            && let Some(Some(page)) = self
                .tables
                .get_mut(&(size / PAGE_BYTES / TABLE_PAGES))
                .and_then(|t| t.get_mut((size / PAGE_BYTES % TABLE_PAGES) as usize))
        {
            cut.push((size / PAGE_BYTES, page.clone()));
            page[within..].fill(0);
        }
        let mut tail = self.tables.split_off(&(first_whole / TABLE_PAGES));
        if let Some(mut first) = tail.remove(&(first_whole / TABLE_PAGES)) {
            let keep = ((first_whole % TABLE_PAGES) as usize).min(first.len());
            let gone = first.split_off(keep);
            take_pages(&mut cut, first_whole / TABLE_PAGES * TABLE_PAGES + keep as u64, gone);
            if !first.is_empty() {
                self.tables.insert(first_whole / TABLE_PAGES, first);
            }
        }
        for (table, pages) in tail {
            take_pages(&mut cut, table * TABLE_PAGES, pages);
        }
        cut
    }

    /// Undoes a cut.
    pub(crate) fn uncut(&mut self, cut: Cut) {
        cut.into_iter().for_each(|(number, page)| self.restore(number, page));
    }

    /// Puts a page where it was.
    pub(crate) fn restore(&mut self, number: u64, page: Page) {
        *self.slot(number) = Some(page);
    }

    /// The bytes of sector `number`.
    pub(crate) fn sector(&self, number: u64) -> Sector {
        let mut sector = [0; SECTOR_BYTES as usize];
        self.read(number * SECTOR_BYTES, &mut sector);
        sector
    }

    /// Sectors at and beyond `size` that lie in pages which exist, the one that holds `size` included.
    pub(crate) fn sectors_from(&self, size: u64) -> Vec<u64> {
        let per_page = PAGE_BYTES / SECTOR_BYTES;
        let first = size / SECTOR_BYTES;
        let tables = self.tables.range(size / PAGE_BYTES / TABLE_PAGES..);
        let pages = tables.flat_map(|(table, pages)| {
            let exist = pages.iter().enumerate().filter(|(_, page)| page.is_some());
            exist.map(move |(index, _)| table * TABLE_PAGES + index as u64)
        });
        pages.flat_map(|page| page * per_page..(page + 1) * per_page).filter(|&sector| sector >= first).collect()
    }
}

fn take_pages(cut: &mut Cut, first: u64, pages: Vec<Option<Page>>) {
    cut.extend(pages.into_iter().enumerate().filter_map(|(i, page)| Some((first + i as u64, page?))));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &Content, offset: u64, len: usize) -> Vec<u8> {
        let mut buffer = Vec::new();
        content.read_into(offset, len, &mut buffer);
        buffer
    }

    #[test]
    fn what_is_written_is_read_across_pages_and_tables_and_the_rest_is_zero() {
        let mut content = Content::default();
        let data: Vec<u8> = (0..10_000_u32).map(|i| (i % 251) as u8 + 1).collect();
        for offset in [0, 4_095, 1_048_576 - 5_000, 1 << 40] {
            content.write(offset, &data);
            assert_eq!(bytes(&content, offset, data.len()), data);
        }
        assert_eq!(bytes(&content, 500_000, 100), vec![0; 100]);
        assert!(content.tables.values().map(Vec::len).sum::<usize>() < 1_000, "a sparse file stays sparse");
    }

    #[test]
    fn a_cut_zeroes_what_lies_beyond_and_can_be_undone() {
        for size in [0, 1, 511, 4_096, 4_097, 1_048_576, 1_048_577, 1_100_000] {
            let mut content = Content::default();
            let data: Vec<u8> = (0..1_200_000_u32).map(|i| (i % 249) as u8 + 1).collect();
            content.write(0, &data);
            let cut = content.cut(size);
            assert_eq!(bytes(&content, 0, size as usize), data[..size as usize]);
            assert!(bytes(&content, size, data.len()).iter().all(|&b| b == 0), "cut at {size}");
            assert!(content.sectors_from(size.next_multiple_of(PAGE_BYTES)).is_empty());
            content.uncut(cut);
            assert_eq!(bytes(&content, 0, data.len()), data);
        }
    }
}
