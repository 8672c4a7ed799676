use std::collections::BTreeMap;

use super::*;

fn settings(variables: &[(&str, &str)]) -> Result<HubSettings> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    HubSettings::from_variables(|name| variables.get(name).map(OsString::from), Some(Path::new("/home/me")))
}

fn given(token: &str) -> TokenSource {
    TokenSource::Given(Token::new(token).unwrap())
}

#[test]
fn the_cache_is_where_the_clients_of_the_hub_have_it() {
    let cache = |variables: &[(&str, &str)]| settings(variables).unwrap().cache;
    assert_eq!(cache(&[]), Path::new("/home/me/.cache/huggingface/hub"));
    assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
    assert_eq!(cache(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/h")]), Path::new("/home/me/h/hub"));
    assert_eq!(cache(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c/d")]), Path::new("/c/d"));
    assert_eq!(cache(&[("HF_HOME", ""), ("HUGGINGFACE_HUB_CACHE", "/c")]), Path::new("/c"));
    assert_eq!(settings(&[("HF_HOME", "/h")]).unwrap().own, Path::new("/h/openmoe-analyze"));
    let own = |variables: &[(&str, &str)]| settings(variables).unwrap().own;
    assert_eq!(own(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c/d")]), Path::new("/c/openmoe-analyze"));
    assert_eq!(own(&[("HF_HUB_CACHE", "/c/d")]), Path::new("/c/d/openmoe-analyze"), "not in the folder above");
    let folder = tempfile::tempdir().unwrap();
    let earlier = folder.path().join("openmoe-analyze");
    std::fs::create_dir(&earlier).unwrap();
    assert_eq!(own(&[("HF_HUB_CACHE", folder.path().join("hub").to_str().unwrap())]), earlier, "what is there is used");
    let nowhere = HubSettings::from_variables(|_| None, None).unwrap_err();
    assert!(nowhere.hint().unwrap().contains("HF_HUB_CACHE"));
}

#[test]
fn a_token_is_looked_for_in_order_and_can_be_forbidden() {
    let token = |variables: &[(&str, &str)]| settings(variables).unwrap().token;
    assert_eq!(token(&[]), TokenSource::File("/home/me/.cache/huggingface/token".into()));
    assert_eq!(token(&[("HF_HOME", "/h")]), TokenSource::File("/h/token".into()));
    assert_eq!(token(&[("HF_HOME", "/h"), ("HF_TOKEN_PATH", "/t")]), TokenSource::File("/t".into()));
    assert_eq!(token(&[("HF_TOKEN_PATH", "/t"), ("HF_TOKEN", " hf_x\n")]), given("hf_x"));
    assert_eq!(token(&[("HUGGING_FACE_HUB_TOKEN", "hf_y")]), given("hf_y"));
    assert_eq!(token(&[("HF_TOKEN", "hf_x"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), TokenSource::None);
}

#[test]
fn a_token_is_never_shown() {
    let shown = format!("{:?}", settings(&[("HF_TOKEN", "hf_secret")]).unwrap());
    assert!(!shown.contains("hf_secret") && shown.contains("not shown"), "{shown}");
}

#[test]
fn a_token_is_read_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let settings = HubSettings { token: TokenSource::File(path.clone()), ..HubSettings::at("c") };
    assert_eq!(settings.read_token().unwrap(), None);
    std::fs::write(&path, "hf_z\n").unwrap();
    assert_eq!(settings.read_token().unwrap(), Token::new("hf_z"));
}

#[test]
fn switches_are_on_as_the_clients_of_the_hub_take_them() {
    for on in ["1", "true", "True", "YES", "on"] {
        assert!(settings(&[("HF_HUB_OFFLINE", on)]).unwrap().offline, "{on}");
        assert!(settings(&[("TRANSFORMERS_OFFLINE", on)]).unwrap().offline, "{on}");
        assert!(!settings(&[("HF_HUB_DISABLE_PROGRESS_BARS", on)]).unwrap().bars, "{on}");
    }
    for off in ["", "0", "no", "false", "2"] {
        assert!(!settings(&[("HF_HUB_OFFLINE", off)]).unwrap().offline, "{off}");
    }
}

#[test]
fn limits_and_addresses_are_checked() {
    let limits = settings(&[("HF_HUB_ETAG_TIMEOUT", "3"), ("HF_HUB_DOWNLOAD_TIMEOUT", "1.5")]).unwrap();
    assert_eq!((limits.answer_timeout, limits.download_timeout), (Duration::from_secs(3), Duration::from_millis(1500)));
    for wrong in ["soon", "0", "-1", "nan", "inf", "1e99"] {
        let message = settings(&[("HF_HUB_ETAG_TIMEOUT", wrong)]).unwrap_err().to_string();
        assert!(message.contains("HF_HUB_ETAG_TIMEOUT") && message.contains(wrong), "{message}");
    }
    assert_eq!(settings(&[("HF_ENDPOINT", "http://127.0.0.1:80/")]).unwrap().endpoint, "http://127.0.0.1:80");
    assert_eq!(settings(&[("HF_ENDPOINT", "https://m.example/hf")]).unwrap().endpoint, "https://m.example/hf");
    for wrong in ["huggingface.co", "ftp://x", "https://", "https://a b", "https://me:secret@x"] {
        let message = settings(&[("HF_ENDPOINT", wrong)]).unwrap_err().to_string();
        assert!(message.contains("HF_ENDPOINT") && !message.contains("secret"), "{message}");
    }
}
