//! Addresses: put together from names, followed through redirects, compared by host, shown without what they carry.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what RFC 3986 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same with slashes left alone.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// A text as one segment of a path: `refs/pr/1` becomes `refs%2Fpr%2F1`.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A path whose slashes stay.
pub(super) fn path(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_IN_PATH).to_string()
}

/// Scheme, host and port of an address; empty if it has none.
pub(super) fn origin(address: &str) -> &str {
    let Some(start) = address.find("://").map(|at| at + 3) else { return "" };
    let length = address[start..].find(['/', '?', '#']).unwrap_or(address.len() - start);
    &address[..start + length]
}

/// Whether two addresses are on the same host and port, asked in the same way.
pub(super) fn same_origin(one: &str, other: &str) -> bool {
    !origin(one).is_empty() && origin(one).eq_ignore_ascii_case(origin(other))
}

/// Where a redirect leads; `None` if that is no address of the web.
pub(super) fn redirected(from: &str, location: &str) -> Option<String> {
    let location = location.trim();
    if location.is_empty() || location.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let scheme = |address: &str| address.split("://").next().unwrap_or_default().to_owned();
    let target = if location.starts_with("//") {
        format!("{}:{location}", scheme(from))
    } else if location.starts_with('/') {
        format!("{}{location}", origin(from))
    } else if location.contains("://") {
        location.to_owned()
    } else if let Some(query) = location.strip_prefix('?') {
        format!("{}?{query}", from.split(['?', '#']).next().unwrap_or_default())
    } else {
        let folder = from.split(['?', '#']).next().unwrap_or_default();
        let end = folder.rfind('/').filter(|end| *end >= origin(from).len()).unwrap_or(folder.len());
        format!("{}/{location}", &folder[..end])
    };
    let is_web = ["http", "https"].iter().any(|known| scheme(&target).eq_ignore_ascii_case(known));
    // A name and a password in the address would make another host look like the one that is known.
    (is_web && origin(&target).len() > "https://".len() && !origin(&target).contains('@')).then_some(target)
}

/// The host of an address, for messages: paths may be long, and queries hold signatures.
pub(super) fn host(address: &str) -> &str {
    let origin = origin(address);
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_one_segment_and_folders_stay() {
        assert_eq!(segment("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(path("a b/c#d?e%.json"), "a%20b/c%23d%3Fe%25.json");
    }

    #[test]
    fn redirects_lead_where_a_browser_would_go() {
        let to = |location| redirected("https://hub.co/a/b?q=1", location);
        assert_eq!(to("/api/resolve-cache/x").as_deref(), Some("https://hub.co/api/resolve-cache/x"));
        assert_eq!(to("c").as_deref(), Some("https://hub.co/a/c"));
        assert_eq!(to("?r=2").as_deref(), Some("https://hub.co/a/b?r=2"));
        assert_eq!(to("//cdn.co/x").as_deref(), Some("https://cdn.co/x"));
        assert_eq!(to("http://cdn.co:81/x?s").as_deref(), Some("http://cdn.co:81/x?s"));
        for nowhere in
            ["", "file:///etc/passwd", "ftp://x/y", "https://", "https://hub.co@cdn.co/x", "/a\nb", "javascript:alert"]
        {
            let target = to(nowhere);
            assert!(
                target.as_ref().is_none_or(|target| same_origin(target, "https://hub.co")),
                "{nowhere}: {target:?}"
            );
        }
        assert_eq!(redirected("https://hub.co", "x").as_deref(), Some("https://hub.co/x"));
    }

    #[test]
    fn hosts_are_the_same_with_scheme_and_port() {
        assert!(same_origin("https://Hub.co/a", "https://hub.co?b"));
        for other in ["http://hub.co/a", "https://hub.co:8443/a", "https://hub.co.evil/a", "https://cdn.co/a", "/a", ""]
        {
            assert!(!same_origin("https://hub.co/a", other), "{other}");
        }
        assert!(!same_origin("", ""));
        assert_eq!(host("https://cdn.co:81/x?Signature=1"), "cdn.co:81");
    }
}
