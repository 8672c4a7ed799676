//! Names, revisions, lists and the layout of the cache.

use openmoe_analyze::hub::FetchPlan;

use super::*;
use crate::support::hub_server::{COMMIT, Faults};

#[test]
fn a_checkpoint_arrives_in_the_layout_of_the_clients_of_the_hub() {
    let files = two_shards();
    let place = Place::new(&files);
    let folder = place.open();
    assert_eq!((folder.commit(), folder.files().len()), (COMMIT, files.len()));
    let weights = folder.weights().unwrap();
    assert_eq!(weights.index.as_deref(), Some("pytorch_model.bin.index.json"));
    assert_eq!(weights.files, ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]);
    let wanted = folder.checkpoint_files().unwrap();
    let plan = folder.plan(&wanted).unwrap();
    let index = files[4].1.len() as u64;
    assert_eq!(plan, FetchPlan { files: 5, bytes: 1_040_002 + index, files_there: 1, bytes_there: index });
    let moved = Moved::default();
    let snapshot = folder.fetch(&wanted, &moved).unwrap();
    assert_eq!(moved.0.load(Ordering::Relaxed) as u64, plan.bytes_to_move());
    assert_eq!(snapshot, place.cache().join("models--OrionZheng--openmoe-8b/snapshots").join(COMMIT));
    for (path, bytes) in files.iter().filter(|(path, _)| *path != "README.md") {
        assert!(std::fs::read(snapshot.join(path)).unwrap() == *bytes, "{path}");
        #[cfg(unix)]
        assert_eq!(
            std::fs::read_link(snapshot.join(path)).unwrap(),
            Path::new("../../blobs").join(place.server.blob(path))
        );
    }
    assert!(!snapshot.join("README.md").exists(), "it belongs to no checkpoint");
    let main = place.cache().join("models--OrionZheng--openmoe-8b/refs/main");
    assert_eq!(std::fs::read_to_string(main).unwrap(), COMMIT);
    place.token_stayed_home();
    // A second time nothing but the commit and the list are asked for.
    place.server.forget();
    let again = place.open();
    assert_eq!(again.plan(&wanted).unwrap().bytes_to_move(), 0);
    assert_eq!(again.fetch(&wanted, &moved).unwrap(), snapshot);
    assert_eq!(place.server.seen().len(), 2, "{:?}", place.server.seen());
    assert_eq!(again.whole("config.json"), Some(snapshot.join("config.json")));
    assert_eq!(again.whole("README.md"), None);
}

#[test]
fn what_another_client_fetched_is_found() {
    let files = two_shards();
    let place = Place::new(&files);
    // As huggingface_hub leaves it.
    let repository = place.cache().join("models--OrionZheng--openmoe-8b");
    let snapshot = repository.join("snapshots").join(COMMIT);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(place.blobs()).unwrap();
    let (path, bytes) = &files[2];
    std::fs::write(place.blobs().join(place.server.blob(path)), bytes).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(Path::new("../../blobs").join(place.server.blob(path)), snapshot.join(path)).unwrap();
    let folder = place.open();
    assert_eq!(folder.plan(&[path]).unwrap().bytes_to_move(), 0);
    folder.fetch_small(&[path]).unwrap();
    assert!(place.first_bytes().is_empty());
}

#[test]
fn files_in_folders_and_a_blob_of_another_commit_are_linked() {
    let place =
        Place::new(&[("model.bin", bytes(9000, 1)), ("onnx/a b/model.bin", bytes(9000, 2)), ("empty.txt", Vec::new())]);
    let commit = place.server.commit(&[("model.bin", bytes(9000, 1))]);
    let folder = place.open();
    let snapshot = folder.fetch_small(&["onnx/a b/model.bin", "model.bin", "empty.txt"]).unwrap();
    assert_eq!(std::fs::read(snapshot.join("onnx/a b/model.bin")).unwrap(), bytes(9000, 2));
    assert_eq!(std::fs::read(snapshot.join("empty.txt")).unwrap(), b"");
    place.server.forget();
    let other = place.hub().open(&name(&format!("{NAME}@{commit}"))).unwrap();
    assert_eq!(other.plan(&["model.bin"]).unwrap().bytes_to_move(), 0);
    assert_eq!(other.whole("model.bin"), Some(other.folder().join("model.bin")), "whoever reads it sees it too");
    let snapshot = other.fetch_small(&["model.bin"]).unwrap();
    assert_eq!(std::fs::read(snapshot.join("model.bin")).unwrap(), bytes(9000, 1));
    assert!(place.first_bytes().is_empty());
    // A whole commit always means the same: its list is not asked for again.
    place.server.forget();
    place.hub().open(&name(&format!("{NAME}@{commit}"))).unwrap();
    assert!(place.server.seen().is_empty());
}

#[test]
fn a_pull_request_is_a_revision() {
    let place = Place::new(&[("pytorch_model.bin", bytes(5000, 1))]);
    let commit = place.server.commit(&[("model.safetensors", bytes(5000, 2)), ("pytorch_model.bin", bytes(5000, 1))]);
    place.server.pull_request();
    assert_eq!(place.open().weights().unwrap().files, ["pytorch_model.bin"]);
    let pull = place.hub().open(&name(&format!("hf://{NAME}@refs/pr/1"))).unwrap();
    assert_eq!(pull.commit(), commit);
    assert_eq!(pull.weights().unwrap().files, ["model.safetensors"], "never both");
    pull.fetch_small(&["model.safetensors"]).unwrap();
    let kept = place.cache().join("models--OrionZheng--openmoe-8b/refs/refs/pr/1");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), commit);
    assert!(place.server.seen().iter().any(|seen| seen.target.ends_with("/revision/refs%2Fpr%2F1")));
    let refs: Vec<String> = place.hub().refs(&name(NAME)).unwrap().into_iter().map(|own| own.name).collect();
    assert_eq!(refs, ["main", "refs/pr/1"]);
}

#[test]
fn a_long_list_comes_in_pages() {
    let place = Place::new(&two_shards());
    place.server.faults(Faults { page: Some(2), ..Faults::default() });
    assert_eq!(place.open().files().len(), 6);
    place.token_stayed_home();
}

#[test]
fn the_commit_stays_while_main_moves() {
    let place = Place::new(&[("a.bin", bytes(4000, 1)), ("b.bin", bytes(4000, 2))]);
    let next = place.server.commit(&[("a.bin", bytes(4000, 3)), ("b.bin", bytes(4000, 4))]);
    let folder = place.open();
    folder.fetch_small(&["a.bin"]).unwrap();
    place.server.faults(Faults { main_moves_after: Some(0), ..Faults::default() });
    let snapshot = folder.fetch_small(&["b.bin"]).unwrap();
    assert_eq!(std::fs::read(snapshot.join("b.bin")).unwrap(), bytes(4000, 2), "of the commit of a.bin");
    assert_eq!(place.open().commit(), next);
}

#[test]
fn main_is_remembered_also_if_its_files_are_there() {
    let place = Place::new(&[("model.safetensors", bytes(4000, 1))]);
    let next = place.server.commit(&[("model.safetensors", bytes(4000, 2))]);
    place.open().fetch_small(&["model.safetensors"]).unwrap();
    let pinned = place.hub().open(&name(&format!("{NAME}@{next}"))).unwrap();
    pinned.fetch_small(&["model.safetensors"]).unwrap();
    place.server.faults(Faults { main_moves_after: Some(0), ..Faults::default() });
    place.open().fetch_small(&["model.safetensors"]).unwrap();
    let main = place.cache().join("models--OrionZheng--openmoe-8b/refs/main");
    assert_eq!(std::fs::read_to_string(main).unwrap(), next);
    let offline = place.hub_with(HubSettings { offline: true, ..place.settings() });
    assert_eq!(offline.open(&name(NAME)).unwrap().commit(), next);
}

#[test]
fn the_same_bytes_are_counted_and_fetched_once() {
    let place = Place::new(&[("a.bin", bytes(4000, 1)), ("b.bin", bytes(4000, 1)), ("c.bin", bytes(3000, 2))]);
    let folder = place.open();
    let files = ["a.bin", "b.bin", "c.bin", "a.bin"];
    let plan = folder.plan(&files).unwrap();
    assert_eq!(plan, FetchPlan { files: 3, bytes: 7000, files_there: 0, bytes_there: 0 });
    let moved = Moved::default();
    let snapshot = folder.fetch(&files, &moved).unwrap();
    assert_eq!(moved.0.load(Ordering::Relaxed), 7000);
    for path in ["a.bin", "b.bin"] {
        assert!(std::fs::read(snapshot.join(path)).unwrap() == bytes(4000, 1), "{path}");
    }
    assert_eq!((place.first_bytes().len(), place.notes().len()), (2, 0));
    assert_eq!(folder.plan(&files).unwrap(), FetchPlan { files_there: 3, bytes_there: 7000, ..plan });
}

#[test]
fn another_spelling_of_a_repository_is_followed_home() {
    let place = Place::new(&[("model.safetensors", bytes(4000, 1))]);
    place.server.faults(Faults { respell: true, ..Faults::default() });
    let folder = place.hub().open(&name("orionzheng/OpenMoE-8B")).unwrap();
    let snapshot = folder.fetch_small(&["model.safetensors"]).unwrap();
    assert_eq!(std::fs::read(snapshot.join("model.safetensors")).unwrap(), bytes(4000, 1));
    place.token_stayed_home();
    let redirected = place.server.seen().iter().filter(|seen| seen.target.contains("orionzheng/OpenMoE-8B")).count();
    assert_eq!(redirected, 3, "revision, list, file");
}

#[test]
fn a_zip_of_t5x_counts_as_weights() {
    let place = Place::new(&[("README.md", b"x".to_vec()), ("openmoe_base.zip", bytes(4000, 1))]);
    assert_eq!(place.open().weights().unwrap().files, ["openmoe_base.zip"]);
}
