use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn file(path: &str, size: u64) -> HubFile {
    HubFile { path: path.to_owned(), size, blob: "a".repeat(64) }
}

#[test]
fn a_snapshot_links_to_blobs_as_the_clients_of_the_hub_do() {
    let root = tempfile::tempdir().unwrap();
    let cache = Cache::new(root.path(), "Owner/Name");
    let (top, below) = (file("model.bin", 3), file("onnx/deep/model.bin", 3));
    make_folder(&cache.folder.join("blobs")).unwrap();
    fs::write(cache.blob(&top.blob), "abc").unwrap();
    assert!(cache.has_blob(&top) && cache.place(COMMIT, &top) == Some(cache.blob(&top.blob)));
    for file in [&top, &below, &top] {
        let linked = cache.in_snapshot(COMMIT, file).unwrap();
        assert_eq!(linked, Some(cache.snapshot(COMMIT).join(&file.path)));
        assert_eq!(cache.place(COMMIT, file), linked);
    }
    let snapshot = root.path().join("models--Owner--Name/snapshots").join(COMMIT);
    assert_eq!(snapshot, cache.snapshot(COMMIT));
    #[cfg(unix)]
    {
        let target = fs::read_link(snapshot.join("onnx/deep/model.bin")).unwrap();
        assert_eq!(target, Path::new("../../../../blobs").join("a".repeat(64)));
        assert_eq!(fs::read_link(snapshot.join("model.bin")).unwrap(), Path::new("../../blobs").join("a".repeat(64)));
    }
    assert_eq!(cache.held(COMMIT).files, [top.clone(), below]);
    assert_eq!(fs::read_dir(&snapshot).unwrap().count(), 2, "nothing temporary stays");
    // A file of another size is not the one.
    assert_eq!(cache.in_snapshot(COMMIT, &file("model.bin", 4)).unwrap(), None);
}

#[cfg(unix)]
#[test]
fn what_is_removed_is_in_the_cache() {
    let root = tempfile::tempdir().unwrap();
    let cache = Cache::new(root.path(), "Owner/Name");
    let file = file("model.bin", 3);
    let blob = cache.blob(&file.blob);
    make_folder(&cache.folder.join("blobs")).unwrap();
    fs::write(&blob, "abc").unwrap();
    let pointer = cache.in_snapshot(COMMIT, &file).unwrap().unwrap();
    cache.remove(&pointer, &file).unwrap();
    assert!(pointer.symlink_metadata().is_err() && !blob.exists());
    // A link that somebody made to a file of theirs.
    let theirs = root.path().join("theirs");
    fs::write(&theirs, "xyz").unwrap();
    std::os::unix::fs::symlink(&theirs, &blob).unwrap();
    let pointer = cache.in_snapshot(COMMIT, &file).unwrap().unwrap();
    cache.remove(&pointer, &file).unwrap();
    assert!(theirs.exists() && blob.symlink_metadata().is_err() && cache.place(COMMIT, &file).is_none());
}

#[test]
fn a_revision_is_remembered_without_a_line_end() {
    let root = tempfile::tempdir().unwrap();
    let cache = Cache::new(root.path(), "a/b");
    assert_eq!(cache.known_commit("refs/pr/1"), None);
    for revision in ["main", "refs/pr/1", COMMIT] {
        cache.remember(revision, COMMIT).unwrap();
        assert_eq!(cache.known_commit(revision).as_deref(), Some(COMMIT));
    }
    let read = |name: &str| fs::read_to_string(cache.folder.join("refs").join(name));
    assert_eq!(read("refs/pr/1").unwrap(), COMMIT);
    assert!(read(COMMIT).is_err());
    fs::write(cache.folder.join("refs/main"), "nonsense").unwrap();
    assert_eq!(cache.known_commit("main"), None);
}

#[test]
fn a_full_disk_and_a_cache_that_is_only_read_have_their_hints() {
    let hint = |kind: ErrorKind| writing(Path::new("x"))(kind.into()).hint().unwrap_or_default();
    assert!(hint(ErrorKind::ReadOnlyFilesystem).contains("HF_HUB_CACHE"));
    assert!(hint(ErrorKind::PermissionDenied).contains("can be written"));
    assert!(hint(ErrorKind::StorageFull).contains("make room"));
    assert!(matches!(writing(Path::new("x"))(ErrorKind::Other.into()), Error::Io { .. }));
}
