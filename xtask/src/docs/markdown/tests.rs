//! The reader of pages: each part is found, with its line, and nothing is found inside a part of another kind.

use super::*;

fn texts(pieces: &[Piece]) -> Vec<(usize, &str)> {
    pieces
        .iter()
        .map(|piece| (piece.line, piece.text.as_str()))
        .collect()
}

#[test]
fn spans_and_links_are_found_with_their_lines() {
    let page = Page::read(
        "a.md",
        "# A\n\nSee `x` and [b](c.md \"title\"),\n``y ` z`` at\n![i](i.png).\n\n[r]: ../r.md\n",
    );
    assert_eq!(texts(&page.spans), [(3, "x"), (4, "y ` z")]);
    assert_eq!(
        texts(&page.links),
        [(3, "c.md"), (5, "i.png"), (7, "../r.md")]
    );
}

#[test]
fn a_span_may_run_over_a_line_end_and_not_over_a_paragraph() {
    let page = Page::read("a.md", "A `b\nc` d.\n\nA lone ` mark.\n\nAnd `e`.\n");
    assert_eq!(texts(&page.spans), [(1, "b c"), (6, "e")]);
}

#[test]
fn links_inside_code_are_no_links() {
    let page = Page::read("a.md", "`[a](b)`\n\n```\n[a](c)\n```\n");
    assert_eq!(page.links, []);
}

#[test]
fn fences_keep_their_language_and_lines() {
    let page = Page::read("a.md", "a\n```sh\n$ cargo test\n```\nb\n~~~\n```\n~~~\n");
    assert_eq!(page.fences.len(), 2);
    assert_eq!(page.fences[0].language, "sh");
    assert_eq!(texts(&page.fences[0].lines), [(3, "$ cargo test")]);
    assert_eq!(texts(&page.fences[1].lines), [(7, "```")]);
    assert_eq!(texts(&page.prose), [(1, "a"), (5, "b")]);
}

#[test]
fn headings_get_the_names_that_forges_give_them() {
    let page = Page::read(
        "a.md",
        "# The `Store`, and *why*\n## Use\n## Use\n#tag\n<a id=\"rule-4\"></a>\n## Use\n",
    );
    assert_eq!(
        page.anchors,
        ["the-store-and-why", "use", "use-1", "rule-4", "use-2"]
    );
}

#[test]
fn broken_pages_do_no_harm() {
    for text in ["```", "`", "[a](", "[a]: ", "``` \n`", "# ", "](", "id=\""] {
        let page = Page::read("a.md", text);
        assert_eq!(page.links.len(), 0, "{text:?}");
    }
}
