//! What the hub refuses, and what is refused of the hub: the message, the hint, and that nothing was written.

use expect_test::expect;
use openmoe_analyze::hub::Alone;

use super::*;
use crate::support::hub_server::{Faults, Refuse};

/// The message when an answer is put in place of that of the given target.
fn refused(target: &'static str, status: u16, code: Option<&'static str>, token: bool) -> String {
    let (place, _) = one_file(5000);
    let headers = code.map(|code| ("X-Error-Code", code.to_owned())).into_iter().collect();
    let refuse = vec![Refuse { target, status, headers, times: usize::MAX }];
    place.server.faults(Faults { refuse, ..Faults::default() });
    let token = if token { place.settings().token } else { TokenSource::None };
    let hub = place.hub_with(HubSettings { token, ..place.settings() });
    let opened = hub.open(&name(&format!("{NAME}@dev")));
    let error = match opened {
        Ok(folder) => folder.fetch_small(&["model.safetensors"]).unwrap_err(),
        Err(error) => error,
    };
    assert!(names_in(&place.blobs()).iter().all(|name| name.contains(".part")), "{:?}", names_in(&place.blobs()));
    in_words(&error)
}

#[test]
fn a_repository_that_is_not_found_may_be_private() {
    for (status, code) in [(401, None), (401, Some("RepoNotFound")), (404, Some("RepoNotFound"))] {
        let message = refused("/revision/", status, code, false);
        assert!(message.contains("OrionZheng/openmoe-8b is not found on"), "{message}");
        assert!(message.contains("or it is private or gated") && message.contains("set HF_TOKEN"), "{message}");
    }
    expect![[r#"
        OrionZheng/openmoe-8b is not found on HOST or it is private or gated (401 RepoNotFound)
        hint: check the spelling (capitals count); if it is right, the account of the token may not read it"#]]
    .assert_eq(&refused("/revision/", 401, Some("RepoNotFound"), true));
}

#[test]
fn every_refusal_has_its_words() {
    let all = [
        refused("/revision/", 404, Some("RevisionNotFound"), true),
        refused("/revision/", 403, Some("GatedRepo"), true),
        refused("/revision/", 403, None, true),
        refused("/revision/", 418, None, true),
    ];
    expect![[r#"
        OrionZheng/openmoe-8b has no revision `dev`; it has main
        hint: name a branch, a tag, a whole commit hash, or refs/pr/N for a pull request; without one it is main

        OrionZheng/openmoe-8b is gated: its owner asks for conditions to be accepted first (403 GatedRepo)
        hint: log in at HOST accept them, and set HF_TOKEN to a token of that account

        HOST refuses OrionZheng/openmoe-8b@dev: 403
        hint: check the spelling (capitals count); if it is right, the account of the token may not read it

        HOST answers 418 when asked for OrionZheng/openmoe-8b@dev
        hint: check HF_ENDPOINT and proxies; if they are right, try again later: what has arrived is kept"#]]
    .assert_eq(&all.join("\n\n"));
}

#[test]
fn refusals_of_a_file_name_it() {
    let place = one_file(5000).0;
    let folder = place.open();
    let refuse = |status, code: &str| {
        let headers = vec![("X-Error-Code", code.to_owned())];
        let refuse = vec![Refuse { target: "/resolve/", status, headers, times: 1 }];
        place.server.faults(Faults { refuse, ..Faults::default() });
        in_words(&folder.fetch_small(&["model.safetensors"]).unwrap_err())
    };
    let all =
        [refuse(404, "EntryNotFound"), refuse(401, "GatedRepo"), refuse(403, ""), refuse(404, "RevisionNotFound")];
    expect![[r#"
        there is no `model.safetensors` of OrionZheng/openmoe-8b@1111111111111111111111111111111111111111
        hint: the files of a revision are listed on the page of the repository, under Files

        OrionZheng/openmoe-8b is gated: its owner asks for conditions to be accepted first (401 GatedRepo)
        hint: log in at HOST accept them, and set HF_TOKEN to a token of that account

        HOST refuses `model.safetensors` of OrionZheng/openmoe-8b@1111111111111111111111111111111111111111: 403
        hint: check the spelling (capitals count); if it is right, the account of the token may not read it

        OrionZheng/openmoe-8b has no revision `1111111111111111111111111111111111111111`
        hint: name a branch, a tag, a whole commit hash, or refs/pr/N for a pull request; without one it is main"#]]
    .assert_eq(&all.join("\n\n"));
    assert!(in_words(&folder.fetch_small(&["other.bin"]).unwrap_err()).contains("there is no `other.bin`"));
    // Nothing of it stays in the way.
    place.server.faults(Faults::default());
    folder.fetch_small(&["model.safetensors"]).unwrap();
}

#[test]
fn a_refusal_of_the_server_of_large_files_is_not_one_of_the_hub() {
    let (place, _) = one_file(5000);
    let refuse = vec![Refuse { target: "?sig=", status: 403, headers: Vec::new(), times: usize::MAX }];
    place.server.faults(Faults { refuse, ..Faults::default() });
    expect![[r#"
        HOST refuses `model.safetensors` of OrionZheng/openmoe-8b@1111111111111111111111111111111111111111: 403
        hint: HOST sends there for large files, and your token is not at fault: check proxies, firewalls and the clock, then run it again: what has arrived is kept"#]]
    .assert_eq(&fails(&place));
}

#[test]
fn the_beginning_of_a_commit_is_no_revision() {
    let error = one_file(10).0.hub().open(&name(&format!("{NAME}@549c82f"))).unwrap_err();
    assert!(in_words(&error).contains("all 40 digits of it instead of 7"), "{error}");
}

#[test]
fn a_private_repository_wants_its_token() {
    let (place, large) = one_file(5000);
    place.server.private(TOKEN);
    let stranger = place.hub_with(HubSettings { token: TokenSource::None, ..place.settings() });
    assert!(in_words(&stranger.open(&name(NAME)).unwrap_err()).contains("set HF_TOKEN"));
    place.server.forget();
    arrives_whole(&place, &large);
}

#[test]
fn a_limit_of_requests_is_waited_for_and_then_told() {
    let (place, large) = one_file(5000);
    let limit = |times| {
        let headers = vec![("RateLimit", "\"resolvers\";r=0;t=1".to_owned())];
        let refuse = vec![Refuse { target: "/resolve/", status: 429, headers, times }];
        place.server.faults(Faults { refuse, ..Faults::default() });
    };
    limit(1);
    let start = std::time::Instant::now();
    arrives_whole(&place, &large);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(place.notes()[0].ends_with("limits requests: waiting 1 s"), "{:?}", place.notes());
    let (place, _) = one_file(5000);
    let refuse =
        vec![Refuse { target: "/resolve/", status: 429, headers: vec![("Retry-After", "0".to_owned())], times: 9 }];
    place.server.faults(Faults { refuse, ..Faults::default() });
    assert!(fails(&place).contains("has had too many requests from here: 429"));
}

#[test]
fn a_fault_of_the_hub_is_tried_again_and_no_more_than_so_often() {
    let (place, large) = one_file(5000);
    let fault = |times| {
        let refuse = vec![Refuse { target: "/resolve/", status: 503, headers: Vec::new(), times }];
        place.server.faults(Faults { refuse, ..Faults::default() });
    };
    fault(2);
    arrives_whole(&place, &large);
    let (place, _) = one_file(5000);
    let refuse = vec![Refuse { target: "/resolve/", status: 502, headers: Vec::new(), times: usize::MAX }];
    place.server.faults(Faults { refuse, ..Faults::default() });
    assert!(fails(&place).contains("does not give `model.safetensors` of OrionZheng/openmoe-8b@1111111111111111111111111111111111111111: it answers 502"));
    let asked = place.server.seen().iter().filter(|seen| seen.target.contains("/resolve/")).count();
    assert_eq!(asked, 5);
}

#[test]
fn what_no_hub_answers_is_refused() {
    let place = one_file(5000).0;
    let mut all = Vec::new();
    for path in ["../../etc/passwd", "/etc/passwd", "a\\b"] {
        place.server.faults(Faults { hostile_path: Some(path), ..Faults::default() });
        all.push(in_words(&place.hub().open(&name(NAME)).unwrap_err()));
    }
    place.server.faults(Faults { lie_about_size: Some(u64::MAX), ..Faults::default() });
    all.push(in_words(&place.hub().open(&name(NAME)).unwrap_err()));
    place.server.faults(Faults { other_commit: true, ..Faults::default() });
    all.push(in_words(&place.open().fetch_small(&["model.safetensors"]).unwrap_err()));
    expect![[r#"
        the list of the files of OrionZheng/openmoe-8b names `../../etc/passwd`; expected a path inside the repository
        hint: the hub does not answer like this: check HF_ENDPOINT and proxies

        the list of the files of OrionZheng/openmoe-8b names `/etc/passwd`; expected a path inside the repository
        hint: the hub does not answer like this: check HF_ENDPOINT and proxies

        the list of the files of OrionZheng/openmoe-8b names `a\b`; expected a path inside the repository
        hint: the hub does not answer like this: check HF_ENDPOINT and proxies

        the list of the files of OrionZheng/openmoe-8b gives `model.safetensors` 18446744073709551615 bytes; no disk holds that
        hint: the hub does not answer like this: check HF_ENDPOINT and proxies

        `model.safetensors` of OrionZheng/openmoe-8b changed while it was read: the commit is `9999999999999999999999999999999999999999`; expected 1111111111111111111111111111111111111111
        hint: run it again; if it repeats, the mirror of HF_ENDPOINT mixes revisions"#]].assert_eq(&all.join("\n\n"));
}

#[test]
fn a_redirect_to_nowhere_and_one_in_a_circle_end() {
    let place = one_file(5000).0;
    let redirect = |location: &str| {
        let headers = vec![("Location", location.to_owned())];
        let refuse = vec![Refuse { target: "/api/", status: 302, headers, times: usize::MAX }];
        place.server.faults(Faults { refuse, ..Faults::default() });
        in_words(&place.hub().open(&name(NAME)).unwrap_err())
    };
    assert!(redirect("file:///etc/passwd").contains("without an address to go to"));
    assert!(redirect("/api/models/again").contains("more than 8 redirects"));
}

#[test]
fn a_shard_that_only_the_index_knows_is_told_before_anything_large_moves() {
    let mut files = two_shards();
    files.remove(3);
    let place = Place::new(&files);
    let message = in_words(&place.open().checkpoint_files().unwrap_err());
    assert!(
        message.contains("names `pytorch_model-00002-of-00002.bin`, which the repository does not have"),
        "{message}"
    );
    assert!(place.first_bytes().is_empty());
}

#[test]
fn a_repository_without_weights_lists_what_it_has() {
    let place = Place::new(&[("config.json", b"{}".to_vec()), ("spiece.model", bytes(10, 1))]);
    let message = in_words(&place.open().weights().unwrap_err());
    assert!(
        message.contains("has no weights: expected `model.safetensors`") && message.contains("`spiece.model`"),
        "{message}"
    );
}

#[test]
fn certificates_that_are_none_are_refused() {
    let place = one_file(10).0;
    let path = place.folder.path().join("ca.pem");
    let with = |path: &Path| {
        let settings = HubSettings { certificates: Some(path.to_path_buf()), ..place.settings() };
        Hub::new(settings, Arc::new(Alone)).unwrap_err()
    };
    assert!(with(&path).to_string().starts_with("cannot read `"));
    std::fs::write(&path, "no certificate").unwrap();
    assert!(in_words(&with(&path)).contains("ca.pem` holds no certificate; expected a PEM file"));
}

#[test]
fn a_hub_that_is_not_there_is_told() {
    let place = one_file(10).0;
    let settings = HubSettings { endpoint: "http://127.0.0.1:1".to_owned(), attempts: 2, ..place.settings() };
    let error = Hub::new(settings, Arc::new(Alone)).unwrap().open(&name(NAME)).unwrap_err();
    assert!(in_words(&error).contains("does not give OrionZheng/openmoe-8b@main"), "{error}");
}
