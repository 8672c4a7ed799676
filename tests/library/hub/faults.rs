//! Connections that break, lie and lose: whole files arrive all the same, or the message says what came.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::support::hub_server::{Faults, Refuse};

const SIZE: usize = 1_000_000;

#[test]
fn a_redirect_to_another_host_gets_no_token() {
    let (place, large) = one_file(SIZE);
    arrives_whole(&place, &large);
    assert!(place.server.seen().iter().any(|seen| seen.cdn) && place.server.seen().iter().any(|seen| !seen.cdn));
}

#[test]
fn a_short_body_is_completed_from_where_it_ended() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { cut: Some((400_000, 1)), ..Faults::default() });
    arrives_whole(&place, &large);
    assert_eq!(place.first_bytes(), [0, 400_000]);
}

#[test]
fn a_reset_in_the_middle_is_taken_up_at_that_byte() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { reset: Some((300_000, 2)), ..Faults::default() });
    arrives_whole(&place, &large);
    let starts = place.first_bytes();
    assert_eq!((starts.len(), starts[0]), (3, 0));
    // A reset may take bytes with it that had arrived.
    assert!(starts[1] > 0 && starts[1] <= 300_000 && starts[2] > starts[1] && starts[2] <= 600_000, "{starts:?}");
}

#[test]
fn a_stall_ends_by_the_limit_and_is_taken_up() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { stall: Some((300_000, 1)), ..Faults::default() });
    let settings = HubSettings { download_timeout: Duration::from_millis(300), ..place.settings() };
    let folder = place.hub_with(settings).open(&name(NAME)).unwrap();
    let start = std::time::Instant::now();
    let snapshot = folder.fetch_small(&["model.safetensors"]).unwrap();
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(std::fs::read(snapshot.join("model.safetensors")).unwrap() == large);
    assert_eq!(place.first_bytes(), [0, 300_000]);
}

#[test]
fn a_connection_that_breaks_without_end_is_told_and_what_arrived_is_used_later() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { cut: Some((10_000, usize::MAX)), ..Faults::default() });
    let message = fails(&place);
    assert!(message.contains("the connection breaks after byte 50000 of 1000000"), "{message}");
    assert!(message.contains("what has arrived is kept"), "{message}");
    assert_eq!(names_in(&place.blobs()).len(), 2, "the part and what it is a part of");
    assert_eq!(place.open().plan(&["model.safetensors"]).unwrap().bytes_there, 50_000);
    // A later process goes on.
    place.server.faults(Faults::default());
    place.server.forget();
    let moved = Moved::default();
    place.open().fetch(&["model.safetensors"], &moved).unwrap();
    assert_eq!(place.first_bytes(), [50_000]);
    assert_eq!(moved.0.load(Ordering::Relaxed), 950_000);
    arrives_whole(&place, &large);
}

#[test]
fn a_part_of_something_else_is_not_taken_up() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { cut: Some((10_000, usize::MAX)), ..Faults::default() });
    fails(&place);
    let note = ending_in(&place.blobs(), "json");
    std::fs::write(place.blobs().join(note), "{}").unwrap();
    place.server.faults(Faults::default());
    place.server.forget();
    arrives_whole(&place, &large);
    assert_eq!(place.first_bytes(), [0]);
}

#[test]
fn a_server_that_ignores_ranges_sends_all_again() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { cut: Some((400_000, 1)), no_ranges: true, ..Faults::default() });
    let moved = Moved::default();
    place.open().fetch(&["model.safetensors"], &moved).unwrap();
    assert_eq!(moved.0.load(Ordering::Relaxed), SIZE as i64, "what came twice counts once");
    arrives_whole(&place, &large);
    assert_eq!(place.first_bytes().len(), 2);
}

#[test]
fn compressed_answers_are_not_asked_for_and_not_taken() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { gzip: Some(false), ..Faults::default() });
    arrives_whole(&place, &large);
    let place = one_file(SIZE).0;
    place.server.faults(Faults { gzip: Some(true), ..Faults::default() });
    assert!(fails(&place).contains("it answers compressed, although asked not to"));
    assert_eq!(names_in(&place.blobs().join("../snapshots")).len(), 0);
}

#[test]
fn headers_that_are_absent_are_not_needed() {
    for faults in [
        Faults { no_etag: true, ..Faults::default() },
        Faults { no_linked_size: true, ..Faults::default() },
        Faults { no_content_range: true, cut: Some((400_000, 1)), ..Faults::default() },
        Faults { no_etag: true, no_linked_size: true, no_content_range: true, cut: Some((5, 1)), ..Faults::default() },
    ] {
        let (place, large) = one_file(SIZE);
        place.server.faults(faults);
        arrives_whole(&place, &large);
    }
}

#[test]
fn flipped_bytes_are_found_and_removed() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { flip: Some((123_456, 1)), ..Faults::default() });
    let message = fails(&place);
    assert!(message.contains("has SHA-256 ") && message.contains(&place.server.blob("model.safetensors")), "{message}");
    assert!(message.contains("it was removed") && message.contains("run it again"), "{message}");
    assert!(names_in(&place.blobs()).is_empty(), "{:?}", names_in(&place.blobs()));
    arrives_whole(&place, &large);
}

#[test]
fn a_part_that_was_damaged_on_the_disk_costs_one_more_download() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { cut: Some((10_000, usize::MAX)), ..Faults::default() });
    fails(&place);
    let part = ending_in(&place.blobs(), "part");
    let mut damaged = std::fs::read(place.blobs().join(&part)).unwrap();
    damaged[7] ^= 1;
    std::fs::write(place.blobs().join(&part), damaged).unwrap();
    place.server.faults(Faults::default());
    place.server.forget();
    arrives_whole(&place, &large);
    assert_eq!(place.first_bytes(), [50_000, 0]);
}

#[test]
fn a_small_file_is_compared_with_its_hash_of_git() {
    let place = Place::new(&[("config.json", b"{\"a\":1}".to_vec())]);
    let folder = place.open();
    assert_eq!(folder.file("config.json").unwrap().sha256(), None);
    folder.fetch_small(&["config.json"]).unwrap();
    let place = Place::new(&[("config.json", b"{\"a\":1}".to_vec())]);
    let list = place.open();
    // The same commit with other bytes: what a cache between here and the hub may do.
    let headers = vec![("Content-Type", "text/html".to_owned()), ("Content-Length", "0".to_owned())];
    let refuse = vec![Refuse { target: "/resolve/", status: 200, headers, times: usize::MAX }];
    place.server.faults(Faults { refuse, ..Faults::default() });
    let message = in_words(&list.fetch_small(&["config.json"]).unwrap_err());
    assert!(message.contains("it sends 0 bytes; its list says 7"), "{message}");
}

#[test]
fn a_link_that_has_expired_is_asked_for_again() {
    let (place, large) = one_file(SIZE);
    // Each link is good for one request, and each request breaks off.
    place.server.faults(Faults { link_uses: Some(1), cut: Some((300_000, 3)), ..Faults::default() });
    arrives_whole(&place, &large);
    let heads = place.server.seen().iter().filter(|seen| seen.method == "HEAD").count();
    assert_eq!(heads, 4, "{:?}", place.server.seen());
    // One that is never good is told.
    let place = one_file(SIZE).0;
    place.server.faults(Faults { link_uses: Some(0), ..Faults::default() });
    assert!(fails(&place).contains("refuses `model.safetensors` of OrionZheng/openmoe-8b@"));
    assert_eq!(place.server.seen().iter().filter(|seen| seen.method == "HEAD").count(), 3);
}

#[test]
fn a_range_that_cannot_be_is_told() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { cut: Some((10_000, usize::MAX)), ..Faults::default() });
    fails(&place);
    let refuse = vec![Refuse { target: "?sig=", status: 416, headers: Vec::new(), times: usize::MAX }];
    place.server.faults(Faults { refuse, ..Faults::default() });
    assert!(fails(&place).contains("answers 416 when asked for `model.safetensors`"));
    // A part that is longer than the file is not asked about: it begins anew.
    let part = ending_in(&place.blobs(), "part");
    std::fs::write(place.blobs().join(part), bytes(SIZE + 5, 9)).unwrap();
    place.server.faults(Faults::default());
    place.server.forget();
    arrives_whole(&place, &large);
    assert_eq!(place.first_bytes(), [0]);
}

#[test]
fn a_wrong_size_is_told_before_bytes_are_kept() {
    let place = one_file(SIZE).0;
    let folder = place.open();
    place.server.faults(Faults { lie_about_size: Some(77), ..Faults::default() });
    let message = in_words(&folder.fetch_small(&["model.safetensors"]).unwrap_err());
    assert!(message.contains("its size is `77`; expected 1000000"), "{message}");
}

/// Stops as soon as something has arrived.
struct Stops(Arc<AtomicBool>);

impl FetchProgress for Stops {
    fn moved(&self, _: i64) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn whoever_waits_may_stop_between_blocks() {
    let (place, large) = one_file(SIZE);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let hub = Hub::new(place.settings(), Arc::new(move || asked.load(Ordering::Relaxed))).unwrap();
    let folder = hub.open(&name(NAME)).unwrap();
    let error = folder.fetch(&["model.safetensors"], &Stops(stop)).unwrap_err();
    assert!(matches!(error, Error::Interrupted) && error.exit_code() == 130);
    let there = place.open().plan(&["model.safetensors"]).unwrap().bytes_there;
    assert!(there > 0 && there < SIZE as u64, "{there}");
    arrives_whole(&place, &large);
}

#[test]
fn two_at_once_fetch_a_file_once() {
    let (place, large) = one_file(SIZE);
    place.server.faults(Faults { slow: Some(2_000_000), ..Faults::default() });
    let [one, other] = [place.open(), place.open()];
    std::thread::scope(|scope| {
        let first = scope.spawn(|| one.fetch_small(&["model.safetensors"]).unwrap());
        let second = scope.spawn(|| other.fetch_small(&["model.safetensors"]).unwrap());
        assert_eq!(first.join().unwrap(), second.join().unwrap());
    });
    assert_eq!(place.first_bytes(), [0]);
    assert_eq!(place.notes(), ["another process fetches `model.safetensors`: waiting for it"]);
    arrives_whole(&place, &large);
}

#[test]
fn an_error_ends_the_other_downloads() {
    let place = Place::new(&two_shards());
    let refuse = vec![Refuse { target: "/spiece.model", status: 404, headers: Vec::new(), times: usize::MAX }];
    place.server.faults(Faults { slow: Some(50_000), refuse, ..Faults::default() });
    let folder = place.open();
    let start = std::time::Instant::now();
    let files = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "spiece.model"];
    let message = in_words(&folder.fetch_small(&files).unwrap_err());
    assert!(message.starts_with("OrionZheng/openmoe-8b is not found on"), "{message}");
    // The shards take 14 s and 6 s.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert!(folder.plan(&files).unwrap().bytes_there < 500_000);
}

#[test]
fn what_was_damaged_in_the_cache_is_fetched_again() {
    let (place, large) = one_file(SIZE);
    let files = ["config.json", "model.safetensors"];
    let snapshot = place.open().fetch_small(&files).unwrap();
    let damage = || {
        for (path, bytes) in [("config.json", b"[]".to_vec()), ("model.safetensors", vec![0; SIZE])] {
            std::fs::write(snapshot.join(path), bytes).unwrap();
        }
    };
    damage();
    let offline = place.hub_with(HubSettings { offline: true, ..place.settings() }).open(&name(NAME)).unwrap();
    let message = in_words(&offline.fetch_small(&["config.json"]).unwrap_err());
    assert!(
        message.contains(
            "HF_HUB_OFFLINE is set, and `config.json` of OrionZheng/openmoe-8b in the cache has git hash 0637a0"
        ),
        "{message}"
    );
    let moved = Moved::default();
    place.open().fetch(&files, &moved).unwrap();
    assert!(std::fs::read(snapshot.join("model.safetensors")).unwrap() == large);
    assert_eq!(std::fs::read(snapshot.join("config.json")).unwrap(), b"{}");
    assert_eq!(moved.0.load(Ordering::Relaxed), 0, "it was taken for whole before");
    let mut notes = place.notes();
    notes.sort();
    assert!(notes.len() == 2 && notes.iter().all(|note| note.ends_with(": it is fetched again")), "{notes:?}");
    assert!(
        notes[1].contains("`model.safetensors` of OrionZheng/openmoe-8b in the cache has SHA-256 d29751f2"),
        "{notes:?}"
    );
    assert_eq!(names_in(&place.blobs()).len(), 2);
}

#[cfg(unix)]
#[test]
fn a_cache_that_can_only_be_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let (place, _) = one_file(5000);
    let locked = place.folder.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write everywhere but into what the kernel makes up.
    let cache =
        if std::fs::write(locked.join("x"), "").is_ok() { PathBuf::from("/sys/hub") } else { locked.join("hub") };
    let settings = HubSettings { cache, ..place.settings() };
    let folder = place.hub_with(settings).open(&name(NAME)).unwrap();
    let message = in_words(&folder.fetch_small(&["model.safetensors"]).unwrap_err());
    assert!(message.starts_with("the cache of the hub cannot be written: `"), "{message}");
    assert!(message.contains("hint: set HF_HUB_CACHE (or HF_HOME) to a folder that can be written"), "{message}");
    assert!(place.first_bytes().is_empty());
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).unwrap();
}
