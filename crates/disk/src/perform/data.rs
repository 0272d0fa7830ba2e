//! Reading, writing, lengths, room and locks of open files.

use super::*;
use crate::damage::{Damage, Wrong};
use crate::injection::{MISS, ROT, ROTTEN};
use crate::injuries::Harm;
use crate::options::SECTOR_BYTES;
use crate::request::{Allocation, LockRange, Synced};

/// As many sectors may a misdirected write or read miss its place by.
const MISS_SECTORS_MAX: u64 = 8;

impl Performer<'_> {
    pub(super) fn read(
        &mut self,
        handle: HandleKey,
        at: Option<u64>,
        max: usize,
        mut buffer: Vec<u8>,
        about: &mut InodeId,
    ) -> Result<Vec<u8>> {
        let file = self.volume.handles.get(handle)?;
        *about = file.inode;
        if !file.read {
            return Err(Errno::EBADF);
        }
        let (position, direct) = (at.unwrap_or(file.position), file.direct);
        if let Some(device) = self.special_of(handle) {
            return Ok(self.read_special(device, max, buffer));
        }
        if self.volume.inodes.get(*about).is_dir() {
            return Err(Errno::EISDIR);
        }
        if position > OFFSET_MAX || (direct && !is_aligned(position, max as u64)) {
            return Err(Errno::EINVAL);
        }
        if let Err(errno) = self.refuse(Asking::Read, *about) {
            self.injure(*about, position, max as u64, Harm::Unreadable);
            return Err(errno);
        }
        if self.injections.damages(self.node) {
            self.damage_what_is_read(*about, position, max as u64);
        }
        buffer.clear();
        let data = self.volume.inodes.get(*about).file().ok_or(Errno::EISDIR)?;
        data.read(position, max, &mut buffer);
        if at.is_none() {
            self.volume.handles.get(handle)?.position += buffer.len() as u64;
        }
        Ok(buffer)
    }

    /// Decides of each sector that is read for the first time under a fault whether it has gone bad.
    fn damage_what_is_read(&mut self, id: InodeId, offset: u64, len: u64) {
        let asker = self.asker(id);
        let Some(file) = self.volume.inodes.get(id).file() else { return };
        let end = file.size().min(offset.saturating_add(len));
        if offset >= end {
            return;
        }
        let mut bad = Vec::new();
        for sector in offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            if file.damage.has(sector) {
                continue;
            }
            if let Some((fault, Injection::BitRot { per_million })) = self.injections.ask(asker, Asking::Rot) {
                let ordinal = u64::from(fault) << 40 | sector;
                if asker.decisions.range(ROTTEN, asker.site, ordinal, 0, 999_999) < u64::from(per_million) {
                    let pick = asker.decisions.bits(ROT, asker.site, ordinal);
                    let wrong =
                        Wrong::Rotten { at: (pick % SECTOR_BYTES) as usize, mask: 1 << (pick / SECTOR_BYTES % 8) };
                    bad.push((sector, fault, wrong, Harm::Rotten));
                    continue;
                }
            }
            if let Some((fault, Injection::MisdirectedReads)) = self.injections.ask(asker, Asking::AimRead) {
                let ordinal = u64::from(fault) << 32 | asker.ordinal & 0xffff_ffff;
                let by = asker.decisions.range(MISS, asker.site, ordinal, 1, MISS_SECTORS_MAX);
                let other = file.sector(sector.checked_sub(by).unwrap_or(sector + by));
                bad.push((sector, fault, Wrong::Other(Box::new(other)), Harm::Misdirected));
            }
        }
        for (sector, fault, wrong, harm) in bad {
            self.harm(id, sector, fault, wrong, harm);
        }
    }

    fn harm(&mut self, id: InodeId, sector: u64, fault: u32, wrong: Wrong, harm: Harm) {
        if let Some(file) = self.volume.inodes.get_mut(id).file_mut() {
            file.damage.insert(sector, Damage { fault, wrong });
        }
        self.injections.hit(fault, 1);
        self.injure_by(id, sector * SECTOR_BYTES, SECTOR_BYTES, harm, Some(fault));
    }

    /// write(2) as `tokio::fs` makes it: all or nothing. Gives where, and whether it is to be synced.
    pub(super) fn write(
        &mut self,
        handle: HandleKey,
        by: i64,
        data: &[u8],
        about: &mut InodeId,
    ) -> Result<(u64, Synced)> {
        self.shift(handle, by)?;
        let file = self.volume.handles.get(handle)?;
        *about = file.inode;
        if !file.write {
            return Err(Errno::EBADF);
        }
        let (append, position, synced) = (file.append, file.position, file.synced);
        if let Some(device) = self.special_of(handle) {
            return device.write().map(|()| (0, Synced::No));
        }
        let offset = if append { self.volume.inodes.get(*about).len() } else { position };
        self.write_at(*about, offset, data)?;
        self.volume.handles.get(handle)?.position = offset + data.len() as u64;
        Ok((offset, synced))
    }

    /// write(2) and pwrite(2): as many bytes as there is room for. Gives where, how many, and whether it is to be synced.
    pub(super) fn put(
        &mut self,
        handle: HandleKey,
        at: Option<u64>,
        data: &[u8],
        about: &mut InodeId,
    ) -> Result<(u64, u64, Synced)> {
        let file = *self.volume.handles.get(handle)?;
        *about = file.inode;
        if !file.write {
            return Err(Errno::EBADF);
        }
        if let Some(device) = self.special_of(handle) {
            return device.write().map(|()| (0, data.len() as u64, Synced::No));
        }
        let OpenFile { append, position, synced, direct, .. } = file;
        // pwrite(2): with O_APPEND Linux "appends data to the end of the file, regardless of the value of offset".
        let offset = if append { self.volume.inodes.get(*about).len() } else { at.unwrap_or(position) };
        if offset > OFFSET_MAX || (direct && !is_aligned(offset, data.len() as u64)) {
            return Err(Errno::EINVAL);
        }
        let room = self.options.file_bytes_max.saturating_sub(offset);
        if room == 0 && !data.is_empty() {
            return Err(Errno::EFBIG);
        }
        let mut len = (data.len() as u64).min(room);
        if let Some(free) = self.room() {
            let file = self.volume.inodes.get(*about).file().ok_or(Errno::EISDIR)?;
            while len > 0 && file.needs(offset, len) > free {
                // What fits is what ends at an earlier page.
                len = ((offset + len - 1) / BLOCK_BYTES * BLOCK_BYTES).saturating_sub(offset);
            }
        }
        let fits = if len == 0 { data.len() as u64 } else { len };
        self.write_at(*about, offset, &data[..fits as usize])?;
        if at.is_none() {
            self.volume.handles.get(handle)?.position = offset + fits;
        }
        Ok((offset, fits, synced))
    }

    /// How much new room there is; `None` for as much as is asked for.
    pub(super) fn room(&self) -> Option<u64> {
        let by_fault = self.injections.room(self.node);
        let free = self.options.capacity_bytes.map(|all| all.saturating_sub(self.volume.allocated_bytes()));
        by_fault.into_iter().chain(free).min()
    }

    pub(crate) fn write_at(&mut self, id: InodeId, offset: u64, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        if id.is_special() {
            return self.volume.inodes.get(id).special().ok_or(Errno::EISDIR)?.write();
        }
        let len = data.len() as u64;
        let end = offset.saturating_add(len);
        if end > self.options.file_bytes_max {
            return Err(Errno::EFBIG);
        }
        let needs = self.volume.inodes.get(id).file().ok_or(Errno::EISDIR)?.needs(offset, len);
        self.take_room(id, offset, len, needs)?;
        let asker = self.asker(id);
        let aim = self.injections.ask(asker, Asking::Aim);
        let (stamp, now_ns) = (self.volume.stamp_ns, self.now_ns);
        let inode = self.volume.inodes.get_mut(id);
        (inode.modified_ns, inode.changed_ns) = (now_ns, now_ns);
        let file = inode.file_mut().ok_or(Errno::EISDIR)?;
        let before = aim.map(|_| file.sector(offset / SECTOR_BYTES));
        file.write(offset, data, stamp);
        file.write_back(self.options.pending_writes_max);
        if let (Some((fault, _)), Some(before)) = (aim, before) {
            // The first sector of the write goes astray: its place keeps the old bytes, another one has the new.
            let first = offset / SECTOR_BYTES;
            let ordinal = u64::from(fault) << 32 | asker.ordinal & 0xffff_ffff;
            let by = asker.decisions.range(MISS, asker.site, ordinal, 1, MISS_SECTORS_MAX);
            let stray = self.volume.inodes.get(id).file().map_or(before, |file| file.sector(first));
            self.harm(id, first, fault, Wrong::Other(Box::new(before)), Harm::Misdirected);
            if let Some(victim) = first.checked_sub(by) {
                self.harm(id, victim, fault, Wrong::Other(Box::new(stray)), Harm::Misdirected);
            }
        }
        Ok(())
    }

    fn take_room(&mut self, id: InodeId, offset: u64, len: u64, needs: u64) -> Result<()> {
        if let Err(errno) = self.refuse(Asking::Write { needs }, id) {
            self.injure(id, offset, len, Harm::Refused);
            return Err(errno);
        }
        if self.options.capacity_bytes.is_some() && self.room().is_some_and(|free| needs > free) {
            return Err(Errno::ENOSPC);
        }
        self.injections.took(self.node, needs);
        Ok(())
    }

    pub(super) fn resize(&mut self, id: InodeId, len: u64) -> Result<()> {
        let now_ns = self.now_ns;
        let inode = self.volume.inodes.get_mut(id);
        inode.file().ok_or(Errno::EINVAL)?;
        (inode.modified_ns, inode.changed_ns) = (now_ns, now_ns);
        self.volume.set_len(id, len);
        if let Some(file) = self.volume.inodes.get_mut(id).file_mut() {
            file.write_back(self.options.pending_writes_max);
        }
        Ok(())
    }

    pub(super) fn shift(&mut self, handle: HandleKey, by: i64) -> Result<()> {
        let file = self.volume.handles.get(handle)?;
        file.position = file.position.checked_add_signed(by).filter(|&p| p <= OFFSET_MAX).ok_or(Errno::EINVAL)?;
        Ok(())
    }

    pub(super) fn seek(&mut self, handle: HandleKey, by: i64, whence: Whence, about: &mut InodeId) -> Result<u64> {
        if let Some(file) = self.special_of(handle).and(self.volume.handles.get(handle).ok()) {
            // `null_lseek` and `noop_llseek` of Linux: every place is the first one.
            *about = file.inode;
            return Ok(0);
        }
        self.shift(handle, by)?;
        let file = self.volume.handles.get(handle)?;
        *about = file.inode;
        let inode = self.volume.inodes.get(*about);
        let to = match whence {
            Whence::Start(to) => Some(to),
            Whence::Current(by) => file.position.checked_add_signed(by),
            Whence::End(by) => inode.len().checked_add_signed(by),
            Whence::Data(from) => Some(inode.file().and_then(|f| f.next(from, true)).ok_or(Errno::ENXIO)?),
            Whence::Hole(from) => Some(inode.file().and_then(|f| f.next(from, false)).ok_or(Errno::ENXIO)?),
        };
        let to = to.filter(|&to| to <= OFFSET_MAX).ok_or(Errno::EINVAL)?;
        self.volume.handles.get(handle)?.position = to;
        Ok(to)
    }

    pub(super) fn set_len(&mut self, handle: HandleKey, by: i64, len: u64, about: &mut InodeId) -> Result<()> {
        self.shift(handle, by)?;
        let file = self.volume.handles.get(handle)?;
        *about = file.inode;
        if !file.write || len > OFFSET_MAX || about.is_special() {
            return Err(Errno::EINVAL);
        }
        if len > self.options.file_bytes_max {
            return Err(Errno::EFBIG);
        }
        self.refuse(Asking::Change, *about)?;
        self.resize(*about, len)
    }

    /// fallocate(2).
    pub(super) fn allocate(
        &mut self,
        handle: HandleKey,
        how: Allocation,
        offset: u64,
        len: u64,
        about: &mut InodeId,
    ) -> Result<()> {
        let file = self.volume.handles.get(handle)?;
        *about = file.inode;
        if !file.write {
            return Err(Errno::EBADF);
        }
        let id = *about;
        if id.is_special() {
            return Err(Errno::ENODEV);
        }
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        let end = offset.checked_add(len).filter(|&end| end <= self.options.file_bytes_max).ok_or(Errno::EFBIG)?;
        let data = self.volume.inodes.get(id).file().ok_or(Errno::ENODEV)?;
        let grows = end > data.size() && matches!(how, Allocation::Extend | Allocation::Zero(false));
        let needs = if how == Allocation::PunchHole { 0 } else { data.needs(offset, len) };
        self.take_room(id, offset, len, needs)?;
        if matches!(how, Allocation::PunchHole | Allocation::Zero(_)) {
            self.volume.make_zeros(id, offset, len);
        }
        if grows {
            self.volume.set_len(id, end);
        }
        let now_ns = self.now_ns;
        let inode = self.volume.inodes.get_mut(id);
        (inode.modified_ns, inode.changed_ns) = (now_ns, now_ns);
        if let Some(file) = inode.file_mut()
            && how != Allocation::PunchHole
        {
            file.reserve(end);
        }
        Ok(())
    }

    /// Takes a lock; `Ok(false)` where it has to be waited for.
    pub(crate) fn lock(&mut self, handle: HandleKey, range: LockRange, waits: bool) -> Result<bool> {
        let file = self.volume.handles.get(handle)?;
        let (inode, access) = (file.inode, if range.exclusive { file.write } else { file.read });
        // flock(2) asks for no access; fcntl(2): "a write lock … the file must be open for writing".
        if !range.whole && !access {
            return Err(Errno::EBADF);
        }
        if self.volume.locks.is_blocked(inode, handle, &range) {
            return if waits { Ok(false) } else { Err(Errno::EAGAIN) };
        }
        self.volume.locks.take(inode, handle, range);
        Ok(true)
    }
}

fn is_aligned(offset: u64, len: u64) -> bool {
    offset.is_multiple_of(SECTOR_BYTES) && len.is_multiple_of(SECTOR_BYTES)
}
