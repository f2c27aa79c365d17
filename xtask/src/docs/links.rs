//! Links from page to page: the file is there, and so is the heading. Addresses elsewhere are not asked.

use super::markdown::Page;
use crate::report::Finding;
use crate::repository::Repository;

/// Every relative link leads somewhere.
pub(crate) fn check(page: &Page, pages: &[Page], repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for link in page.links.iter().filter(|link| is_relative(&link.text)) {
        let (path, anchor) = link
            .text
            .split_once('#')
            .unwrap_or((link.text.as_str(), ""));
        let target = if path.is_empty() {
            Some(page.path.clone())
        } else {
            resolve(&page.path, path)
        };
        let Some(target) = target.filter(|target| target.is_empty() || repository.holds(target))
        else {
            findings.push(Finding::at(
                &page.path,
                link.line,
                format!("the link to `{path}` leads nowhere"),
            ));
            continue;
        };
        let headings = pages
            .iter()
            .find(|other| other.path == target)
            .map(|other| &other.anchors);
        let is_there = headings.is_none_or(|names| names.iter().any(|name| name == anchor));
        if !anchor.is_empty() && !is_there {
            findings.push(Finding::at(
                &page.path,
                link.line,
                format!("`{target}` has no heading `#{anchor}`"),
            ));
        }
    }
    findings
}

/// Links into the documentation of code are checked by rustdoc.
fn is_relative(target: &str) -> bool {
    let elsewhere =
        target.contains("://") || target.starts_with("mailto:") || target.contains("::");
    let is_item = !target.contains(['/', '.', '#']);
    !elsewhere && !is_item
}

/// The path from the root that a link in this page means; none if it leaves the repository.
fn resolve(page: &str, link: &str) -> Option<String> {
    let mut names: Vec<&str> = page.split('/').collect();
    names.pop();
    for name in link.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(text: &str) -> Vec<String> {
        let here = Page::read("docs/a.md", text);
        let there = Page::read("docs/decisions/b.md", "# The choice\n");
        let files = ["docs/a.md", "docs/decisions/b.md", "LICENSE-MIT"]
            .map(ToString::to_string)
            .to_vec();
        let repository = Repository::of(std::path::PathBuf::new(), files);
        let findings = check(&here, &[Page::read("docs/a.md", text), there], &repository);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "# Here\n[a](decisions/b.md) [b](decisions/b.md#the-choice) [c](#here) [d](../LICENSE-MIT) \
                    [e](decisions/) [f](https://a.b/c) [g](crate::Store) [h](Store) [i](mailto:a@b.c)\n";
        assert_eq!(dead(text), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_caught() {
        assert_eq!(
            dead("[a](b.md)"),
            ["docs/a.md:1: the link to `b.md` leads nowhere"]
        );
        assert_eq!(
            dead("[a](../../x.md)"),
            ["docs/a.md:1: the link to `../../x.md` leads nowhere"]
        );
        assert_eq!(
            dead("[a](#gone)"),
            ["docs/a.md:1: `docs/a.md` has no heading `#gone`"]
        );
        assert_eq!(
            dead("[a](decisions/b.md#gone)"),
            ["docs/a.md:1: `docs/decisions/b.md` has no heading `#gone`"]
        );
    }
}
