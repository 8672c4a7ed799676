use super::{super::pieces::BLOCK, *};

const SIZE: u64 = 3 * BLOCK + 5;

fn open(folder: &Path) -> Kept {
    Kept::open(folder, "abc", SIZE, false).unwrap()
}

/// The bytes of a block in these tests.
fn content(kept: &Kept, block: u64) -> Vec<u8> {
    kept.block(block).map(|at| (at % 251) as u8).collect()
}

/// Blocks arrive, in pieces that do not end with them.
fn arrive(kept: &Kept, blocks: Range<u64>) {
    let bytes: Vec<u8> = blocks.clone().flat_map(|block| content(kept, block)).collect();
    let mut arriving = kept.arriving(&blocks);
    for (at, piece) in bytes.chunks(10_007).enumerate() {
        arriving.take(blocks.start * BLOCK + 10_007 * at as u64, piece).unwrap();
    }
}

#[test]
fn what_one_process_fetched_the_next_one_has() {
    let folder = tempfile::tempdir().unwrap();
    let kept = open(folder.path());
    assert_eq!(kept.missing(&(0..4)), [0, 1, 2, 3]);
    kept.arriving(&(3..4)).take(3 * BLOCK, b"hell").unwrap();
    assert_eq!(kept.missing(&(3..4)), [3], "its last byte has not come yet");
    kept.arriving(&(3..4)).take(3 * BLOCK, b"hello").unwrap();
    assert!(kept.missing(&(3..4)).is_empty());
    drop(kept);
    let kept = open(folder.path());
    assert_eq!(kept.missing(&(0..4)), [0, 1, 2]);
    let mut buffer = [0; 4];
    kept.read(&mut buffer, 3 * BLOCK + 1).unwrap();
    assert_eq!(&buffer, b"ello");
}

#[test]
fn two_processes_keep_each_others_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = [0, 1].map(|_| open(folder.path()));
    arrive(&one, 0..1);
    arrive(&other, 2..3);
    drop(one);
    other.keep(&mut other.state()).unwrap();
    assert_eq!(other.missing(&(0..4)), [1, 3]);
    assert_eq!(open(folder.path()).missing(&(0..4)), [1, 3]);
}

#[test]
fn a_table_without_its_data_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    arrive(&open(folder.path()), 0..4);
    assert!(open(folder.path()).missing(&(0..4)).is_empty());
    fs::remove_file(folder.path().join("abc")).unwrap();
    assert_eq!(open(folder.path()).missing(&(0..4)).len(), 4);
    arrive(&open(folder.path()), 0..4);
    assert_eq!(Kept::open(folder.path(), "abc", SIZE + BLOCK, false).unwrap().missing(&(0..5)).len(), 5);
    fs::write(folder.path().join("abc.blocks"), "damaged").unwrap();
    assert_eq!(open(folder.path()).missing(&(0..4)).len(), 4);
}

#[test]
fn a_block_that_is_not_what_was_written_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    arrive(&open(folder.path()), 0..4);
    let path = folder.path().join("abc");
    let right = fs::read(&path).unwrap();
    let mut flipped = right.clone();
    flipped[BLOCK as usize + 77] ^= 4;
    fs::write(&path, &flipped).unwrap();
    let kept = open(folder.path());
    assert_eq!(kept.missing(&(0..4)), [1]);
    arrive(&kept, 1..2);
    assert!(kept.missing(&(0..4)).is_empty() && fs::read(&path).unwrap() == right);
    drop(kept);
    fs::write(&path, vec![0; SIZE as usize]).unwrap();
    assert_eq!(open(folder.path()).missing(&(0..4)), [0, 1, 2, 3], "it was zeroed");
    let mut table = fs::read(folder.path().join("abc.blocks")).unwrap();
    table[HEAD + 4] ^= 1;
    fs::write(&path, &right).unwrap();
    fs::write(folder.path().join("abc.blocks"), table).unwrap();
    assert_eq!(open(folder.path()).missing(&(0..4)), [1], "the table itself is damaged");
}

#[test]
fn what_is_forgotten_does_not_come_back_from_the_table() {
    let folder = tempfile::tempdir().unwrap();
    arrive(&open(folder.path()), 0..4);
    let kept = open(folder.path());
    assert!(kept.forget(1..3));
    arrive(&kept, 1..2);
    drop(kept);
    assert_eq!(open(folder.path()).missing(&(0..4)), [2]);
}

#[test]
fn what_was_fetched_outlives_a_process_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let kept = open(folder.path());
    arrive(&kept, 0..2);
    kept.state().written -= OFTEN;
    arrive(&kept, 2..3);
    std::mem::forget(kept);
    assert_eq!(open(folder.path()).missing(&(0..4)), [3]);
}

#[test]
fn what_can_only_be_read_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let only_read = || Kept::open(folder.path(), "abc", SIZE, true).unwrap();
    assert_eq!(only_read().missing(&(0..4)).len(), 4);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    arrive(&open(folder.path()), 0..2);
    let kept = only_read();
    assert_eq!(kept.missing(&(0..4)), [2, 3]);
    let mut buffer = vec![0; BLOCK as usize];
    kept.read(&mut buffer, BLOCK).unwrap();
    assert!(buffer == content(&kept, 1));
    let message = kept.write(2 * BLOCK, b"x").unwrap_err().to_string();
    assert!(message.starts_with("the cache of the hub cannot be written: `"), "{message}");
    assert!(!kept.forget(0..1));
}
