//! Static files: pages that are there, or a generator that makes them.

use super::folder::Folder;
use super::write::Sketch;

/// The site of the folder.
pub(super) fn look(folder: &Folder, found: &mut Vec<String>) -> Option<Sketch> {
    let site = Sketch::new("site").line("kind", "site", "static files, served by the proxy itself");
    let generators = [
        (&["mkdocs.yml", "mkdocs.yaml"][..], "MkDocs", "mkdocs build --site-dir site", "site"),
        (&["hugo.toml", "hugo.yaml"], "Hugo", "hugo --destination public", "public"),
    ];
    for (files, name, build, output) in generators {
        if let Some(file) = folder.first(files) {
            found.push(format!("{file} is there, so {name} builds a site"));
            let why = format!("makes the pages; {name} must be there");
            return Some(site.line("build", build, &why).line("output", output, "the folder that is served"));
        }
    }
    if folder.has("index.html") {
        found.push("index.html is there, so the folder is a site".to_owned());
        return Some(site.line("output", ".", "the folder that is served"));
    }
    let output = ["public", "dist", "_site", "site", "www"]
        .into_iter()
        .find(|inner| folder.has(&format!("{inner}/index.html")))?;
    found.push(format!("{output}/index.html is there, so {output} is a site"));
    Some(site.line("output", output, "the folder that is served"))
}
