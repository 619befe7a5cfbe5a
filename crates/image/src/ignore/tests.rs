//! Tables of what is in and out, after Docker's documentation and the behaviour of the matcher it uses.

use super::Ignore;

fn ignore(text: &str) -> Ignore {
    Ignore::parse(text).unwrap()
}

/// Under these rules, what is let in and what is not.
#[track_caller]
fn check(text: &str, included: &[&str], excluded: &[&str]) {
    let rules = ignore(text);
    for path in included {
        assert!(!rules.excludes(path), "{path} is excluded by {text:?}");
    }
    for path in excluded {
        assert!(rules.excludes(path), "{path} is let in by {text:?}");
    }
}

#[test]
fn nothing_is_excluded_by_nothing() {
    check("", &["a", "a/b", ".git", "Dockerfile"], &[]);
    check("# a\n\n   \n.\n/\n", &["a", "# a", "a/b"], &[]);
}

#[test]
fn patterns_start_at_the_root_and_reach_below_what_they_match() {
    check("a", &["b/a", "ab", "b/a/c"], &["a", "a/b", "a/b/c"]);
    check("/a/b/", &["a", "a/c", "b"], &["a/b", "a/b/c"]);
    check("./a/../b", &["a"], &["b", "b/c"]);
    check("../a", &["a"], &[]);
    check("node_modules", &["client/node_modules/x"], &["node_modules/x/y"]);
}

#[test]
fn one_star_stays_in_its_folder() {
    check("*", &[], &["a", "a/b", ".hidden", ".git/config"]);
    check("*.md", &["a/b.md", "md"], &["b.md", ".md"]);
    check("*/temp*", &["temp", "a/b/temp"], &["a/temp", "a/temporary.txt", "a/temp/x"]);
    check("*/*/temp*", &["a/temp"], &["a/b/temp.x"]);
    check("temp?", &["temp", "temp12", "a/tempb"], &["tempa", "temp1/x"]);
    check("a/*", &["a"], &["a/b", "a/b/c"]);
}

#[test]
fn two_stars_reach_any_depth() {
    check("**", &[], &["a", "a/b"]);
    check("**/*.go", &["a.gox"], &["a.go", "a/b/c.go"]);
    check("**/a", &["ba", "b/ca"], &["a", "b/a", "b/c/a/d"]);
    check("**a", &["ab"], &["a", "ba", "b/ca", "a/b"]);
    check("a/**", &["a", "ab", "b/a/c"], &["a/b", "a/b/c"]);
    check("a/**/b", &["a/b.x", "a/cb"], &["a/b", "a/c/b", "a/c/d/b/e"]);
    check("a**/b", &["c/b"], &["a/b", "ax/y/b"]);
    check("**/a/**", &["a", "b/a"], &["a/b", "b/a/c"]);
    check("**/.env*", &["a.env"], &[".env", "a/.env.local"]);
    // Stars in threes: any depth, then anything of one name.
    check("a/***", &["a"], &["a/b"]);
}

#[test]
fn the_last_match_decides() {
    check("*.md\n!README.md", &["README.md"], &["a.md"]);
    check("*.md\n!README*.md\nREADME-secret.md", &["README.md"], &["a.md", "README-secret.md"]);
    check("*.md\nREADME-secret.md\n!README*.md", &["README-secret.md"], &["a.md"]);
    check("*\n!src\n!Cargo.*", &["src", "src/a/b.rs", "Cargo.toml"], &["target/x", "README"]);
    check("*\n!src\nsrc/secret", &["src/a"], &["src/secret", "src/secret/b"]);
    check("docs\n!docs/README.md", &["docs/README.md"], &["docs", "docs/a"]);
    check("**\n!**/*.py", &["a.py", "a/b.py"], &["a", "a/b.txt"]);
    check("!a", &["a", "b"], &[]);
    check("! /a \n/a", &[], &["a"]);
}

#[test]
fn an_exception_that_stands_before_its_rule_is_not_taken_from_the_folder_above() {
    check("*/a\n!docs", &[], &["docs/a"]);
    check("*/a\n!docs/a", &["docs/a"], &["b/a"]);
    check("*\n!docs", &["docs", "docs/a"], &["b"]);
}

#[test]
fn marks_and_escapes() {
    check("a.b", &["axb"], &["a.b"]);
    check("a+(b)|{c}$", &["ab"], &["a+(b)|{c}$"]);
    check("a*.b+(c)", &["axybc"], &["ax.b+(c)"]);
    check(r"\!a", &["a"], &["!a"]);
    check(r"\#a", &["a"], &["#a"]);
    check(" #a", &["a"], &["#a"]);
    check(r"a\*b", &["axb"], &["a*b"]);
    check(r"a\?b", &["axb"], &["a?b"]);
    check(r"a\[b", &["ab"], &["a[b"]);
    check("ä?ö", &["äö"], &["äxö", "äüö"]);
    check("a b", &["a", "b"], &["a b"]);
}

#[test]
fn classes_of_characters() {
    check("[a-c]x", &["dx", "a"], &["ax", "cx", "bx/y"]);
    check("[^a-c]x", &["ax"], &["dx", "zx"]);
    // `!` is no negation here.
    check("[!a]x", &["bx"], &["!x", "ax"]);
    check(r"[\]]", &["a"], &["]"]);
    check(r"[a\-c]", &["b"], &["a", "-", "c"]);
    check("[[]a", &["a"], &["[a"]);
    check("[&&~~]", &["a"], &["&", "~"]);
    check("[.]a", &["xa"], &[".a"]);
}

#[test]
fn quirks_are_kept() {
    // In the middle `^` is an anchor, as in the original.
    check("a^b*", &["a^b", "a^bc"], &[]);
    check("a^b", &[], &["a^b"]);
    check(r"a\d", &["ad"], &["a1"]);
}

#[test]
fn what_is_no_pattern_is_said_with_its_line() {
    for wrong in ["[", "[]a]", "[a", "[a-]", "[-a]", "a\\", "!", "!/", "[z-a]", "x[", r"[\", r"a\y*"] {
        let fault = Ignore::parse(&format!("# rules\n\n{wrong}\n")).unwrap_err();
        assert!(fault.message.starts_with("line 3 of .dockerignore is no pattern: "), "{}", fault.message);
        assert!(fault.message.ends_with(&format!("`{wrong}`")) || wrong == "!/", "{}", fault.message);
    }
}

#[test]
fn a_folder_is_only_left_out_whole_if_nothing_in_it_comes_back() {
    for (text, folder, whole) in [
        ("a", "a", true),
        ("a\n!b", "a", true),
        ("a\n!a/b", "a", false),
        ("a\n!a/b/c", "a/b", false),
        ("a\n!a/b/**", "a", false),
        ("a\n!a/b/**", "a/c", true),
        ("a\n!ab", "a", true),
        ("a\n!**/b", "a", false),
        ("a\n!x*", "a", false),
    ] {
        assert_eq!(ignore(text).excludes_all_below(folder), whole, "{text:?} {folder}");
    }
}
