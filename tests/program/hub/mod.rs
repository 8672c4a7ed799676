//! `fetch` from a hub on this machine: what it says, what it leaves, and what an end in the middle costs.

mod damage;
mod runs;

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use expect_test::expect;

use crate::support::{
    files::fixture,
    hub_server::{COMMIT, Content, Faults, HubServer, Seen, Stored, Tree},
    program::{Outcome, openmoe_with},
};

const NAME: &str = "OrionZheng/openmoe-tiny";
const TOKEN: &str = "hf_only_for_the_hub";

/// A hub with a cache of its own.
struct Place {
    server: HubServer,
    folder: tempfile::TempDir,
}

impl Place {
    /// A bundled checkpoint on the hub.
    fn tiny() -> Self {
        let mut tree = Tree::new();
        for entry in fs::read_dir(fixture("checkpoints/openmoe-tiny-0.25M")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let stored = Stored::new(&name, Content::Bytes(fs::read(&path).unwrap()));
            tree.insert(name, stored);
        }
        tree.insert("README.md".to_owned(), Stored::new("README.md", Content::Bytes(b"# tiny".to_vec())));
        Self { server: HubServer::start(NAME, tree), folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HF_")) {
            command.env_remove(name);
        }
        command.args(arguments).env("HF_ENDPOINT", &self.server.endpoint).env("HF_HUB_CACHE", self.cache());
        command.env("HF_TOKEN", TOKEN).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.settled(&self.command(arguments).output().unwrap())
    }

    fn offline(&self, arguments: &[&str]) -> Outcome {
        self.settled(&self.command(arguments).env("HF_HUB_OFFLINE", "1").output().unwrap())
    }

    /// Ports and folders change from test to test.
    fn settled(&self, output: &Output) -> Outcome {
        let outcome = Outcome::of(output);
        assert!(!outcome.stderr.contains(TOKEN) && !outcome.stdout.contains(TOKEN));
        let host = self.server.endpoint.trim_start_matches("http://");
        Outcome {
            stderr: outcome.stderr.replace(host, "HOST"),
            stdout: outcome.stdout.replace(self.folder.path().to_str().unwrap(), "TEMP"),
            ..outcome
        }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("hub")
    }

    /// What is kept of files that were read in ranges.
    fn ranges(&self) -> PathBuf {
        self.cache().join("openmoe-analyze/ranges")
    }

    fn blobs(&self) -> PathBuf {
        self.cache().join("models--OrionZheng--openmoe-tiny/blobs")
    }

    /// The bytes of the part of the weights, while there is one.
    fn part(&self) -> u64 {
        let entries = fs::read_dir(self.blobs()).into_iter().flatten().flatten();
        let parts = entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "part"));
        parts.map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).max().unwrap_or(0)
    }

    /// Starts a fetch that takes long, and waits until some of it has arrived.
    fn begun(&self) -> Child {
        self.server.faults(Faults { slow: Some(1_000_000), ..Faults::default() });
        let mut child = self.command(&["fetch", NAME]);
        let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while self.part() < 200_000 {
            assert!(start.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    /// Fetches the rest, and says from which byte of the weights.
    fn goes_on_from(&self) -> u64 {
        self.server.faults(Faults::default());
        self.server.forget();
        let outcome = self.run(&["fetch", NAME]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let weights = fs::read(fixture("checkpoints/openmoe-tiny-0.25M/model.safetensors")).unwrap();
        let snapshot = self.cache().join("models--OrionZheng--openmoe-tiny/snapshots").join(COMMIT);
        assert!(fs::read(snapshot.join("model.safetensors")).unwrap() == weights);
        assert_eq!(self.part(), 0);
        let of_weights =
            self.server.seen().into_iter().find(|seen| seen.cdn && seen.target.contains("model.safetensors"));
        of_weights.map_or(0, |seen| seen.first_byte().unwrap_or(0))
    }
}

#[test]
fn a_checkpoint_is_fetched_and_its_folder_printed() {
    let place = Place::tiny();
    let outcome = place.run(&["fetch", NAME]);
    outcome.done_saying(&expect![[r#"
        OrionZheng/openmoe-tiny is commit 1111111111111111111111111111111111111111: 3 files, 4.0 MiB; nothing of it is there
    "#]]);
    outcome.done_printing(&expect![[r#"
        TEMP/hub/models--OrionZheng--openmoe-tiny/snapshots/1111111111111111111111111111111111111111
    "#]]);
    // The printed folder is one for any other command.
    let printed = outcome.stdout.trim().replace("TEMP", place.folder.path().to_str().unwrap());
    let inspected = openmoe_with(&["inspect", &printed]);
    assert_eq!(inspected.code, 0, "{}", inspected.stderr);
    assert!(inspected.stdout.starts_with("checkpoint      openmoe-tiny\n"), "{}", inspected.stdout);
    for seen in place.server.seen() {
        assert_eq!(seen.headers.contains_key("authorization"), !seen.cdn, "{seen:?}");
    }
    place.run(&["fetch", NAME]).done_saying(&expect![[r#"
        OrionZheng/openmoe-tiny is commit 1111111111111111111111111111111111111111: 3 files, 4.0 MiB; all of it is there
    "#]]);
    place.offline(&["fetch", NAME]).done_saying(&expect![[r#"
        OrionZheng/openmoe-tiny is commit 1111111111111111111111111111111111111111: 3 files, 4.0 MiB; all of it is there
    "#]]);
    assert_eq!(place.run(&["fetch", NAME, "--quiet"]).stderr, "");
    // The rest of it.
    place.run(&["fetch", NAME, "--files", "all"]).done_saying(&expect![[r#"
        OrionZheng/openmoe-tiny is commit 1111111111111111111111111111111111111111: 4 files, 4.0 MiB; 4.0 MiB are there, 3 files whole; 6 B to fetch
    "#]]);
}

#[test]
fn several_repositories_are_one_fetch() {
    let place = Place::tiny();
    let commit = place.server.commit(&[("config.json", b"{}".to_vec()), ("model.safetensors", vec![7; 5000])]);
    let outcome = place.run(&["fetch", NAME, &format!("hf://{NAME}@{commit}")]);
    outcome.done_saying(&expect![[r#"
        OrionZheng/openmoe-tiny is commit 1111111111111111111111111111111111111111: 3 files, 4.0 MiB; nothing of it is there
        OrionZheng/openmoe-tiny@2222222222222222222222222222222222222222: 2 files, 4.9 KiB; nothing of it is there
        4.0 MiB to fetch in all
    "#]]);
    assert_eq!(outcome.stdout.lines().count(), 2, "{}", outcome.stdout);
    // One that is named twice is one.
    place.run(&["fetch", NAME, NAME]).done_saying(&expect![[r#"
        OrionZheng/openmoe-tiny is commit 1111111111111111111111111111111111111111: 3 files, 4.0 MiB; all of it is there
    "#]]);
}

#[test]
fn what_cannot_be_fetched_is_refused() {
    let place = Place::tiny();
    place.run(&["fetch", "./openmoe-8b"]).refused(&expect![[r#"
        error: `./openmoe-8b` names no repository of the hub; expected OWNER/NAME or OWNER/NAME@REVISION

        hint: for example OrionZheng/openmoe-8b, or OrionZheng/openmoe-base@refs/pr/1 for a pull request
    "#]]);
    place.run(&["fetch", "hf://openmoe-8b"]).refused(&expect![[r#"
        error: `hf://openmoe-8b` names no repository of the hub; expected hf://OWNER/NAME or hf://OWNER/NAME@REVISION

        hint: for example hf://OrionZheng/openmoe-8b or hf://OrionZheng/openmoe-base@refs/pr/1
    "#]]);
    place.run(&["fetch", "OrionZheng/openmoe-9b"]).refused(&expect![[r#"
        error: OrionZheng/openmoe-9b is not found on HOST, or it is private or gated (404 RepoNotFound: a test says RepoNotFound)

        hint: check the spelling (capitals count); if it is right, the account of the token may not read it
    "#]]);
    place.run(&["fetch", "OrionZheng/openmoe-tiny@dev"]).refused(&expect![[r#"
        error: OrionZheng/openmoe-tiny has no revision `dev`; it has main

        hint: name a branch, a tag, a whole commit hash, or refs/pr/N for a pull request; without one it is main
    "#]]);
    place.offline(&["fetch", NAME]).refused(&expect![[r#"
        error: HF_HUB_OFFLINE is set, and the cache does not know OrionZheng/openmoe-tiny

        hint: unset HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE), fetch it once, and set it again
    "#]]);
    let endpoint = place.command(&["fetch", NAME]).env("HF_ENDPOINT", "huggingface.co").output().unwrap();
    place.settled(&endpoint).refused(&expect![[r#"
        error: the variable HF_ENDPOINT is `huggingface.co`; expected an address such as https://huggingface.co

        hint: correct the variable, or unset it
    "#]]);
}

#[test]
fn damaged_bytes_are_refused() {
    let place = Place::tiny();
    place.server.faults(Faults { flip: Some((5000, 9)), ..Faults::default() });
    let outcome = place.run(&["fetch", NAME]);
    assert!(outcome.refusal().contains("it was removed\n\nhint: run it again"), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
}

#[cfg(unix)]
#[test]
fn an_interrupted_fetch_goes_on_where_it_stopped() {
    for signal in ["-INT", "-TERM"] {
        let place = Place::tiny();
        let child = place.begun();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let outcome = place.settled(&child.wait_with_output().unwrap());
        assert_eq!(outcome.code, 130, "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains(" are there\nerror: interrupted: what is complete has been kept\n"),
            "{}",
            outcome.stderr
        );
        assert!(outcome.stderr.contains("fetch goes on where it was"), "{}", outcome.stderr);
        let there = place.part();
        assert!(there >= 200_000);
        assert_eq!(place.goes_on_from(), there);
    }
}

#[test]
fn a_killed_fetch_goes_on_where_it_stopped() {
    let place = Place::tiny();
    let mut child = place.begun();
    child.kill().unwrap();
    child.wait().unwrap();
    let there = place.part();
    assert_eq!(place.goes_on_from(), there);
}

#[test]
fn two_processes_fetch_everything_once() {
    let place = Place::tiny();
    let first = place.begun();
    let second = place.run(&["fetch", NAME]);
    assert_eq!(second.code, 0, "{}", second.stderr);
    assert!(second.stderr.contains("another process fetches `model.safetensors`: waiting for it"), "{}", second.stderr);
    assert_eq!(first.wait_with_output().unwrap().status.code(), Some(0));
    let of_weights =
        place.server.seen().into_iter().filter(|seen| seen.cdn && seen.target.contains("model.safetensors"));
    assert_eq!(of_weights.count(), 1);
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_is_told() {
    let place = Place::tiny();
    let limited = r#"ulimit -f 600; exec "$@""#;
    let program = place.command(&[]);
    let mut shell = Command::new("bash");
    shell.args(["-c", limited, "bash"]).arg(program.get_program()).args(["fetch", NAME]);
    shell.env_clear().envs(std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("HF_")));
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let outcome = place.settled(&shell.output().unwrap());
    assert!(outcome.refusal().contains("the cache of the hub cannot be written: `"), "{}", outcome.stderr);
    assert!(outcome.refusal().contains("hint: make room, or set HF_HUB_CACHE"), "{}", outcome.stderr);
    assert!(place.goes_on_from() > 0, "what has arrived is kept");
}
