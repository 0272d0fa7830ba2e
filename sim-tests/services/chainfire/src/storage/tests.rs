//! Recovery, on a real directory: what was synced comes back, a torn tail is cut, and other damage is named.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{Batch, Storage, StorageError, files};
use crate::raft::{Entry, HardState, Index, LogOperation, NodeId, Recovered, Snapshot, SnapshotMeta, Term};

const SEGMENT: u64 = 1 << 20;

fn entry(index: Index, term: Term) -> Entry {
    Entry { index, term, data: Bytes::from(format!("entry {index} of term {term}")) }
}

fn append(entries: impl IntoIterator<Item = (Index, Term)>) -> Batch {
    let entries = entries.into_iter().map(|(index, term)| entry(index, term)).collect();
    Batch { hard_state: None, operations: vec![LogOperation::Append(entries)] }
}

fn snapshot(index: Index, term: Term) -> Snapshot {
    Snapshot::new(SnapshotMeta { index, term, hash: index * 7 }, Bytes::from(vec![index as u8; 100]))
}

async fn open(dir: &Path) -> Result<(Storage, Recovered), StorageError> {
    Storage::open(dir, SEGMENT).await
}

async fn reopen(dir: &Path) -> Recovered {
    open(dir).await.expect("recovers").1
}

fn log(recovered: &Recovered) -> Vec<(Index, Term)> {
    recovered.entries.iter().map(|entry| (entry.index, entry.term)).collect()
}

async fn segments(dir: &Path) -> Vec<PathBuf> {
    let names = files::names(dir).await.expect("lists");
    names.into_iter().filter(|name| name.starts_with("wal-")).map(|name| dir.join(name)).collect()
}

/// The newest segment that holds records: opening adds an empty one.
async fn newest_with_records(dir: &Path) -> PathBuf {
    segments(dir).await.into_iter().next_back().expect("a segment")
}

#[tokio::test]
async fn what_was_applied_is_recovered() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut storage, empty) = open(dir.path()).await.expect("opens");
    assert_eq!((log(&empty), empty.hard_state), (vec![], HardState::default()));
    let state = HardState { term: 3, voted_for: Some(NodeId(2)) };
    storage.apply(Batch { hard_state: Some(state), ..append([(1, 1), (2, 1), (3, 1)]) }).await.expect("applies");
    let mut replace = append([(2, 3)]);
    replace.operations.insert(0, LogOperation::Truncate(2));
    storage.apply(replace).await.expect("applies");
    storage.apply(append([(3, 3)])).await.expect("applies");
    drop(storage);
    for _ in 0..3 {
        let recovered = reopen(dir.path()).await;
        assert_eq!(recovered.hard_state, state);
        assert_eq!(log(&recovered), [(1, 1), (2, 3), (3, 3)]);
        assert_eq!(recovered.entries[1].data, entry(2, 3).data);
    }
}

#[tokio::test]
async fn a_tail_torn_anywhere_is_cut_and_the_log_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut storage, _) = open(dir.path()).await.expect("opens");
    storage.apply(append([(1, 1), (2, 1)])).await.expect("applies");
    let path = newest_with_records(dir.path()).await;
    let whole = std::fs::metadata(&path).expect("exists").len();
    storage.apply(append([(3, 1), (4, 1)])).await.expect("applies");
    drop(storage);
    let content = std::fs::read(&path).expect("reads");
    for torn in whole as usize..content.len() {
        let kinds: &[Option<u8>] = if torn % 8 == 0 { &[None, Some(0), Some(0xff)] } else { &[None] };
        for garbage in kinds.iter().copied() {
            let copy = tempfile::tempdir().expect("a directory");
            let mut damaged = content[..torn].to_vec();
            damaged.resize(content.len() + 10, garbage.unwrap_or(0));
            damaged.truncate(if garbage.is_some() { content.len() + 10 } else { torn });
            std::fs::write(copy.path().join(path.file_name().expect("named")), damaged).expect("writes");
            let (mut storage, recovered) = open(copy.path()).await.expect("recovers");
            assert_eq!(log(&recovered), [(1, 1), (2, 1)], "torn at {torn}");
            storage.apply(append([(3, 2)])).await.expect("applies");
            drop(storage);
            assert_eq!(log(&reopen(copy.path()).await), [(1, 1), (2, 1), (3, 2)], "torn at {torn}");
        }
    }
}

#[tokio::test]
async fn damage_before_the_tail_is_an_error_that_says_where() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut storage, _) = open(dir.path()).await.expect("opens");
    let path = newest_with_records(dir.path()).await;
    let first = std::fs::metadata(&path).expect("exists").len();
    storage.apply(append([(1, 1)])).await.expect("applies");
    let second = std::fs::metadata(&path).expect("exists").len();
    storage.apply(append([(2, 1)])).await.expect("applies");
    drop(storage);
    let content = std::fs::read(&path).expect("reads");
    for at in first..second {
        let mut damaged = content.clone();
        damaged[at as usize] ^= 0x10;
        std::fs::write(&path, damaged).expect("writes");
        match open(dir.path()).await {
            Err(StorageError::Corrupt { path: named, offset, .. }) => {
                assert_eq!((named, offset), (path.clone(), first))
            }
            other => panic!("byte {at} damaged: {:?}", other.map(|(_, recovered)| log(&recovered))),
        }
    }
    std::fs::write(&path, &content).expect("writes");
    // Opened and left: the records are now in a segment that is not the newest, where even a torn tail is damage.
    drop(open(dir.path()).await.expect("opens"));
    std::fs::write(&path, &content[..content.len() - 1]).expect("writes");
    assert!(matches!(open(dir.path()).await, Err(StorageError::Corrupt { .. })));
    std::fs::remove_file(&path).expect("removes");
    assert!(matches!(open(dir.path()).await, Err(StorageError::Corrupt { .. })), "the missing segment is noticed");
}

#[tokio::test]
async fn segments_are_cut_and_compacted_behind_a_snapshot() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut storage, _) = Storage::open(dir.path(), 500).await.expect("opens");
    for index in 1..=100 {
        storage.apply(append([(index, 1)])).await.expect("applies");
    }
    let before = segments(dir.path()).await.len();
    assert!(before > 5, "{before} segments");
    let taken = snapshot(60, 1);
    super::write_snapshot(dir.path(), &taken).await.expect("writes");
    storage.apply(Batch { hard_state: None, operations: vec![LogOperation::Compact(60)] }).await.expect("compacts");
    storage.apply(append([(101, 1)])).await.expect("applies");
    drop(storage);
    assert!(segments(dir.path()).await.len() < before / 2 + 3);
    let recovered = reopen(dir.path()).await;
    assert_eq!(recovered.snapshot, Some(taken));
    assert_eq!(log(&recovered), (61..=101).map(|index| (index, 1)).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_installed_snapshot_replaces_a_log_that_contradicts_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut storage, _) = open(dir.path()).await.expect("opens");
    storage.apply(append((1..=10).map(|index| (index, 1)))).await.expect("applies");
    let installed = snapshot(8, 4);
    let operations = vec![LogOperation::Install(installed.clone()), LogOperation::Append(vec![entry(9, 4)])];
    storage.apply(Batch { hard_state: None, operations }).await.expect("applies");
    storage.apply(append([(10, 4)])).await.expect("applies");
    drop(storage);
    let recovered = reopen(dir.path()).await;
    assert_eq!(recovered.snapshot, Some(installed));
    assert_eq!(log(&recovered), [(9, 4), (10, 4)]);
}

#[tokio::test]
async fn a_crash_between_snapshot_and_log_reset_is_recovered() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut storage, _) = open(dir.path()).await.expect("opens");
    storage.apply(append((1..=10).map(|index| (index, 1)))).await.expect("applies");
    drop(storage);
    // The snapshot file is there, and the log knows nothing of it.
    super::write_snapshot(dir.path(), &snapshot(8, 4)).await.expect("writes");
    let (mut storage, recovered) = open(dir.path()).await.expect("recovers");
    assert_eq!(log(&recovered), [], "entry 8 of the log is of another term: nothing of it can be kept");
    storage.apply(append([(9, 4)])).await.expect("applies");
    drop(storage);
    assert_eq!(log(&reopen(dir.path()).await), [(9, 4)]);
}

#[tokio::test]
async fn unfinished_files_are_removed_and_damaged_ones_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut storage, _) = open(dir.path()).await.expect("opens");
    let state = HardState { term: 9, voted_for: None };
    storage.apply(Batch { hard_state: Some(state), operations: vec![] }).await.expect("applies");
    super::write_snapshot(dir.path(), &snapshot(3, 1)).await.expect("writes");
    drop(storage);
    std::fs::write(dir.path().join("hard-state.tmp"), b"half").expect("writes");
    assert_eq!(reopen(dir.path()).await.hard_state, state);
    assert!(!dir.path().join("hard-state.tmp").exists());
    for name in ["hard-state", "snapshot-0000000000000003.snap"] {
        let path = dir.path().join(name);
        let good = std::fs::read(&path).expect("reads");
        for bad in [&good[..good.len() - 1], &[]] {
            std::fs::write(&path, bad).expect("writes");
            match open(dir.path()).await {
                Err(StorageError::Corrupt { path: named, .. }) => assert_eq!(named, path),
                other => panic!("{name} cut to {} bytes: {:?}", bad.len(), other.map(|it| it.1)),
            }
        }
        std::fs::write(&path, good).expect("writes");
    }
}

#[tokio::test]
async fn a_truncation_below_the_oldest_segment_left_is_replayed() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut storage, _) = open(dir.path()).await.expect("opens");
    storage.apply(append((1..=9).map(|index| (index, 1)))).await.expect("applies");
    drop(storage);
    // The new segment continues after entry 9, of which a later leader knows nothing from 7 on.
    let (mut storage, _) = open(dir.path()).await.expect("opens");
    let mut replace = append([(7, 2), (8, 2), (9, 2), (10, 2), (11, 2)]);
    replace.operations.insert(0, LogOperation::Truncate(7));
    storage.apply(replace).await.expect("applies");
    let taken = snapshot(10, 2);
    super::write_snapshot(dir.path(), &taken).await.expect("writes");
    storage.apply(Batch { hard_state: None, operations: vec![LogOperation::Compact(10)] }).await.expect("compacts");
    drop(storage);
    assert_eq!(log(&reopen(dir.path()).await), [(11, 2)]);
}
