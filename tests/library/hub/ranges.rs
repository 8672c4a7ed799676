//! Files that are read in ranges: the right bytes, few requests, and what was fetched is fetched once.

use openmoe_analyze::{
    hub::{RangeFile, RangeMode},
    read_at::ReadAt,
};

use super::*;
use crate::support::hub_server::{Content, Faults, Stored, Tree};

const MIB: usize = 1 << 20;

fn open(place: &Place, mode: RangeMode) -> Arc<RangeFile> {
    place.open().open_ranges("model.safetensors", mode).unwrap()
}

fn read(file: &RangeFile, offset: u64, count: usize) -> Vec<u8> {
    let mut buffer = vec![0; count];
    file.read_exact_at(&mut buffer, offset).unwrap();
    buffer
}

/// The message inside the error of a read.
fn failed(file: &RangeFile, offset: u64, count: usize) -> String {
    let error = file.read_exact_at(&mut vec![0; count], offset).unwrap_err();
    in_words(&Error::io("read", "model.safetensors")(error))
}

#[test]
fn any_range_has_the_bytes_of_the_file() {
    for mode in [RangeMode::Kept, RangeMode::Streamed] {
        let (place, large) = one_file(5 * MIB + 77);
        let file = open(&place, mode);
        assert_eq!(file.size(), large.len() as u64);
        assert!(file.file().is_none());
        let end = large.len();
        for (offset, count) in
            [(0, 8), (end - 9, 9), (32_767, 2), (100_000, 70_000), (MIB, 3 * MIB), (0, end), (5, 0), (end, 0)]
        {
            assert!(read(&file, offset as u64, count) == large[offset..offset + count], "{mode:?} {offset} {count}");
        }
        for (offset, count) in [(end as u64, 1), (u64::MAX, 2), (end as u64 - 1, 2), (u64::MAX, 1)] {
            let error = file.read_exact_at(&mut vec![0; count], offset).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        }
        place.token_stayed_home();
    }
}

#[test]
fn what_was_fetched_is_not_fetched_again_by_the_next_process() {
    let (place, large) = one_file(3 * MIB);
    let file = open(&place, RangeMode::Kept);
    assert!(read(&file, 1_000_000, 500_000) == large[1_000_000..1_500_000]);
    assert_eq!(file.requests(), 1);
    let moved = file.moved();
    assert!((500_000..500_000 + 2 * 32_768).contains(&moved), "{moved}");
    read(&file, 1_200_000, 1000);
    assert_eq!((file.requests(), file.moved()), (1, moved));
    drop(file);
    let file = open(&place, RangeMode::Kept);
    assert!(read(&file, 1_000_000, 500_000) == large[1_000_000..1_500_000]);
    assert_eq!(file.requests(), 0);
    // It stands beside the cache of the hub's clients, not in it.
    assert_eq!(names_in(place.folder.path()), ["openmoe-analyze"]);
    assert_eq!(names_in(&place.folder.path().join("openmoe-analyze/ranges/models--OrionZheng--openmoe-8b")).len(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let data = place.folder.path().join("openmoe-analyze/ranges/models--OrionZheng--openmoe-8b");
        let data = data.join(place.server.blob("model.safetensors")).metadata().unwrap();
        assert!(data.len() == 3 << 20 && data.blocks() * 512 < 1 << 20, "{} blocks: it has holes", data.blocks());
    }
}

#[test]
fn streamed_ranges_are_kept_nowhere() {
    let (place, large) = one_file(3 * MIB);
    let file = open(&place, RangeMode::Streamed);
    assert!(read(&file, 0, 3 * MIB) == large);
    assert!(!place.cache().exists());
    assert_eq!(names_in(place.folder.path()), ["openmoe-analyze"]);
    assert_eq!(names_in(&place.folder.path().join("openmoe-analyze")), ["lists"]);
}

#[test]
fn many_small_reads_beside_each_other_are_few_requests() {
    for mode in [RangeMode::Kept, RangeMode::Streamed] {
        let (place, large) = one_file(2 * MIB);
        let file = open(&place, mode);
        for offset in (0..MIB).step_by(500) {
            assert!(read(&file, offset as u64, 500) == large[offset..offset + 500]);
        }
        assert!(file.requests() <= 7, "{mode:?}: {} requests", file.requests());
        assert!(file.moved() <= 2 * MIB as u64);
    }
}

#[test]
fn wanted_ranges_are_joined_and_fetched_once() {
    for mode in [RangeMode::Kept, RangeMode::Streamed] {
        let (place, large) = one_file(6 * MIB);
        let file = open(&place, mode);
        // Rows near each other, twice, one far away, and one beyond the end.
        let rows =
            [0..900, 400_000..401_000, 800_000..800_500, 400_000..401_000, 5_000_000..5_000_100, 9 << 20..10 << 20];
        file.want(&rows).unwrap();
        assert_eq!(file.requests(), 2, "{mode:?}");
        for row in &rows[..5] {
            assert!(
                read(&file, row.start, (row.end - row.start) as usize) == large[row.start as usize..row.end as usize]
            );
        }
        assert_eq!(file.requests(), 2, "{mode:?}");
    }
}

#[test]
fn several_threads_read_one_file() {
    for mode in [RangeMode::Kept, RangeMode::Streamed] {
        let (place, large) = one_file(4 * MIB);
        let file = open(&place, mode);
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let (file, large) = (&file, &large);
                scope.spawn(move || {
                    for step in 0..40 {
                        let (offset, count) = ((thread * 700_001 + step * 90_007) % (3 * MIB), 10_000 + step * 7_000);
                        assert!(read(file, offset as u64, count) == large[offset..offset + count]);
                    }
                });
            }
        });
    }
}

#[test]
fn broken_connections_expired_links_and_stalls_do_not_show() {
    for mode in [RangeMode::Kept, RangeMode::Streamed] {
        for faults in [
            Faults { cut: Some((100_000, 3)), ..Faults::default() },
            Faults { reset: Some((100_000, 2)), ..Faults::default() },
            Faults { link_uses: Some(1), ..Faults::default() },
            Faults { no_content_range: true, no_etag: true, no_linked_size: true, ..Faults::default() },
        ] {
            let (place, large) = one_file(3 * MIB);
            let file = open(&place, mode);
            place.server.faults(faults.clone());
            assert!(read(&file, 7, 2 * MIB + 500_000) == large[7..2 * MIB + 500_007], "{mode:?} {faults:?}");
            assert!(read(&file, 2_900_000, 500) == large[2_900_000..2_900_500], "{mode:?} {faults:?}");
            place.token_stayed_home();
        }
    }
}

#[test]
fn a_range_that_did_not_arrive_is_not_kept() {
    let (place, large) = one_file(3 * MIB);
    let file = open(&place, RangeMode::Kept);
    place.server.faults(Faults { cut: Some((1000, usize::MAX)), ..Faults::default() });
    assert!(failed(&file, 0, 500_000).contains("the connection breaks after byte 5000 of"));
    place.server.faults(Faults::default());
    assert!(read(&file, 0, 500_000) == large[..500_000]);
}

#[test]
fn a_server_that_ignores_ranges_is_told_where_it_would_cost() {
    let (place, large) = one_file(3 * MIB);
    place.server.faults(Faults { no_ranges: true, ..Faults::default() });
    // Of a small file the rest is dropped.
    assert!(read(&open(&place, RangeMode::Streamed), 2 << 20, 1000) == large[2 * MIB..2 * MIB + 1000]);
    let holes = tempfile::NamedTempFile::new().unwrap();
    holes.as_file().set_len(200 << 20).unwrap();
    let stored = Stored::new("model.safetensors", Content::Disk(holes.path().to_path_buf()));
    let place = Place::of(HubServer::start(NAME, Tree::from([("model.safetensors".to_owned(), stored)])));
    place.server.faults(Faults { no_ranges: true, ..Faults::default() });
    let message = failed(&open(&place, RangeMode::Streamed), 100 << 20, 1000);
    assert!(
        message.contains("sends all of `model.safetensors`") && message.contains("fetch the repository first"),
        "{message}"
    );
}

#[test]
fn an_interrupt_comes_out_as_one() {
    use std::sync::atomic::AtomicBool;
    let place = one_file(MIB).0;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let hub = Hub::new(place.settings(), Arc::new(move || asked.load(Ordering::Relaxed))).unwrap();
    let file = hub.open(&name(NAME)).unwrap().open_ranges("model.safetensors", RangeMode::Streamed).unwrap();
    stop.store(true, Ordering::Relaxed);
    let error = file.read_exact_at(&mut [0; 8], 0).unwrap_err();
    assert!(matches!(Error::io("read", "x")(error), Error::Interrupted));
}

#[test]
fn offline_what_was_kept_is_read_and_the_rest_is_told() {
    let (place, large) = one_file(MIB);
    read(&open(&place, RangeMode::Kept), 0, 1000);
    place.server.forget();
    let hub = place.hub_with(HubSettings { offline: true, ..place.settings() });
    let file = hub.open(&name(NAME)).unwrap().open_ranges("model.safetensors", RangeMode::Kept).unwrap();
    assert!(read(&file, 500, 500) == large[500..1000]);
    assert!(failed(&file, 900_000, 10).contains("HF_HUB_OFFLINE is set"));
    assert!(place.server.seen().is_empty());
}

#[test]
fn a_block_that_was_damaged_on_the_disk_is_fetched_again() {
    let (place, large) = one_file(MIB);
    read(&open(&place, RangeMode::Kept), 0, MIB);
    let kept = place.folder.path().join("openmoe-analyze/ranges/models--OrionZheng--openmoe-8b");
    let kept = kept.join(place.server.blob("model.safetensors"));
    let mut damaged = std::fs::read(&kept).unwrap();
    damaged[100_000] ^= 1;
    std::fs::write(&kept, damaged).unwrap();
    let file = open(&place, RangeMode::Kept);
    assert!(read(&file, 0, MIB) == large);
    assert_eq!((file.requests(), file.moved()), (1, 32 << 10));
    drop(file);
    assert!(std::fs::read(&kept).unwrap() == large);
}

#[test]
fn what_is_forgotten_is_fetched_again() {
    for mode in [RangeMode::Kept, RangeMode::Streamed] {
        let (place, large) = one_file(MIB);
        place.server.faults(Faults { flip: Some((100_000, 1)), ..Faults::default() });
        let file = open(&place, mode);
        assert!(read(&file, 90_000, 20_000) != large[90_000..110_000]);
        assert!(read(&file, 90_000, 20_000) != large[90_000..110_000], "it is kept");
        assert!(file.forget(90_000..110_000));
        assert!(read(&file, 90_000, 20_000) == large[90_000..110_000], "{mode:?}");
    }
}

/// Heads and directories of six shards as those of an 8B are read: pickles at the beginning, directories at the end.
#[test]
fn heads_of_six_shards_are_few_requests_and_below_a_megabyte() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = [8_340_000_000_u64, 6_510_000_000, 9_990_000_000, 9_970_000_000, 8_090_000_000, 4_520_000_000];
    let mut tree = Tree::new();
    for (at, size) in sizes.into_iter().enumerate() {
        let (path, holes) = (format!("pytorch_model-{:05}-of-00006.bin", at + 1), folder.path().join(at.to_string()));
        std::fs::File::create(&holes).unwrap().set_len(size).unwrap();
        tree.insert(path.clone(), Stored::new(&path, Content::Disk(holes)));
    }
    let place = Place::of(HubServer::start(NAME, tree));
    let repository = place.open();
    let (mut moved, mut requests) = (0, 0);
    for file in repository.files() {
        let file = repository.open_ranges(&file.path, RangeMode::Streamed).unwrap();
        // The end of the directory is looked for backwards, the directory read entry by entry, then the pickle in small reads.
        for back in [22_u64, 1_024 + 22, 5_000] {
            read(&file, file.size() - back, 22);
        }
        (0..40).for_each(|entry| drop(read(&file, file.size() - 5_000 + entry * 110, 46)));
        (0..90).for_each(|step| drop(read(&file, 64 + step * 256, 256)));
        moved += file.moved();
        requests += file.requests();
    }
    assert!(moved < 1_000_000 && requests <= 18, "{moved} bytes in {requests} requests");
}
