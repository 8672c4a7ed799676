//! `HF_HUB_OFFLINE`, and a hub that cannot be reached: what the cache has is used, and nothing else is.

use super::*;
use crate::support::hub_server::COMMIT;

fn offline(place: &Place) -> Hub {
    place.hub_with(HubSettings { offline: true, ..place.settings() })
}

#[test]
fn offline_nothing_is_asked_and_what_is_there_is_used() {
    let place = Place::new(&two_shards());
    let wanted = place.open().checkpoint_files().unwrap();
    let snapshot = place.open().fetch_small(&wanted).unwrap();
    place.server.forget();
    let folder = offline(&place).open(&name(NAME)).unwrap();
    assert_eq!(folder.commit(), COMMIT);
    assert_eq!(folder.checkpoint_files().unwrap(), wanted);
    assert_eq!(folder.fetch_small(&wanted).unwrap(), snapshot);
    let message = in_words(&folder.fetch_small(&["README.md"]).unwrap_err());
    assert!(message.contains("HF_HUB_OFFLINE is set, and `README.md` of OrionZheng/openmoe-8b at 1111"), "{message}");
    assert!(message.contains("hint: unset HF_HUB_OFFLINE"), "{message}");
    assert!(place.server.seen().is_empty());
}

#[test]
fn offline_what_another_client_left_is_enough() {
    let place = Place::new(&two_shards());
    let wanted = place.open().checkpoint_files().unwrap();
    place.open().fetch_small(&wanted).unwrap();
    std::fs::remove_dir_all(place.folder.path().join("openmoe-analyze")).unwrap();
    place.server.forget();
    let folder = offline(&place).open(&name(NAME)).unwrap();
    assert_eq!(folder.checkpoint_files().unwrap(), wanted);
    folder.fetch_small(&wanted).unwrap();
    assert!(folder.file("README.md").is_none(), "only what is there is known");
    assert!(offline(&place).open(&name(&format!("{NAME}@{COMMIT}"))).is_ok());
    assert!(place.server.seen().is_empty());
}

#[test]
fn offline_an_unknown_repository_or_revision_is_told() {
    let place = Place::new(&two_shards());
    for typed in [NAME, "OrionZheng/openmoe-8b@dev", "a/b@0123456789012345678901234567890123456789"] {
        let message = in_words(&offline(&place).open(&name(typed)).unwrap_err());
        assert!(message.contains(&format!("HF_HUB_OFFLINE is set, and the cache does not know {typed}")), "{message}");
    }
    assert!(place.server.seen().is_empty());
}

#[test]
fn a_hub_that_cannot_be_reached_is_noted_and_the_cache_used() {
    let place = Place::new(&two_shards());
    let wanted = place.open().checkpoint_files().unwrap();
    let snapshot = place.open().fetch_small(&wanted).unwrap();
    let settings = HubSettings { endpoint: "http://127.0.0.1:1".to_owned(), attempts: 1, ..place.settings() };
    let folder = place.hub_with(settings).open(&name(NAME)).unwrap();
    assert_eq!(folder.fetch_small(&wanted).unwrap(), snapshot);
    let notes = place.notes();
    assert!(
        notes[0].starts_with("127.0.0.1:1 cannot be reached (") && notes[0].ends_with(&format!("at {COMMIT}")),
        "{notes:?}"
    );
}
