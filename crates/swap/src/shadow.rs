//! The shadow workspace: a folder of links to a project's files, at the same places relative to each other, with a lock
//! file of its own. Cargo looks at paths by their names, so that whatever it writes it writes there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use toml::{Table, Value};

use crate::error::SwapError;
use crate::files;

/// A shadow of a project.
#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    /// The folder that stands for `/`.
    top: PathBuf,
    /// Folders made anew, with links for what is in them.
    mirrored: BTreeSet<PathBuf>,
    /// Never linked: the build's own output.
    output: PathBuf,
}

impl Shadow {
    /// Makes the shadow of the workspace at `root` in the folder `own`. What is built in `target` is left out.
    pub(crate) fn make(root: &Path, target: &Path, own: &Path) -> Result<Self, SwapError> {
        let top = own.join(TOP);
        let shadow = Self { top, mirrored: folders(root)?, output: target.to_owned() };
        files::remove_folder(&shadow.top)?;
        for folder in &shadow.mirrored {
            shadow.mirror(folder, folder == root)?;
        }
        Ok(shadow)
    }

    /// Where the shadow of an absolute path lies.
    pub(crate) fn of(&self, path: &Path) -> PathBuf {
        under(&self.top, path)
    }

    /// Where the shadow of `path` lies, before it is made.
    pub(crate) fn place(own: &Path, path: &Path) -> PathBuf {
        under(&own.join(TOP), path)
    }

    /// Where a folder is to be named so that cargo takes it for the one that the project may name too.
    pub(crate) fn name(&self, path: &Path) -> PathBuf {
        let mirrored = self.mirrored.iter().any(|folder| path.starts_with(folder));
        if mirrored && !path.starts_with(&self.output) { self.of(path) } else { path.to_owned() }
    }

    fn mirror(&self, folder: &Path, is_root: bool) -> Result<(), SwapError> {
        let here = self.of(folder);
        fs::create_dir_all(&here).map_err(SwapError::file("make", &here))?;
        let entries = fs::read_dir(folder).map_err(SwapError::file("list", folder))?;
        for entry in entries {
            let path = entry.map_err(SwapError::file("list", folder))?.path();
            let name = path.file_name().unwrap_or_default();
            // Cargo finds the project's configuration above the shadow as well; twice would be once too often.
            let configured = name == ".cargo" && self.output.starts_with(folder);
            let own_lock = is_root && name == "Cargo.lock";
            if own_lock || configured || self.output.starts_with(&path) || self.mirrored.contains(&path) {
                continue;
            }
            if self.mirrored.iter().any(|other| other.starts_with(&path)) {
                self.mirror(&path, false)?;
                continue;
            }
            let link = here.join(name);
            symlink(&path, &link).map_err(SwapError::file("link", &link))?;
        }
        Ok(())
    }
}

/// The folder that stands for `/`, in a project's own.
const TOP: &str = "shadow";

fn under(top: &Path, path: &Path) -> PathBuf {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
    top.join(parts.collect::<PathBuf>())
}

/// The folders to mirror: the workspace's root and whatever packages outside it the manifests name by path, however far
/// away.
fn folders(root: &Path) -> Result<BTreeSet<PathBuf>, SwapError> {
    let mut found = BTreeSet::from([root.to_owned()]);
    let mut seen = BTreeSet::new();
    let mut manifests = Vec::new();
    manifests_under(root, &mut manifests);
    while let Some(manifest) = manifests.pop() {
        if !seen.insert(manifest.clone()) {
            continue;
        }
        // What is no manifest is cargo's to complain about, if it ever looks.
        let Ok(table) = files::toml::<Table>(&manifest) else { continue };
        let mut paths = Vec::new();
        path_values(&Value::Table(table), &mut paths);
        for path in paths {
            let folder = normal(&manifest.parent().unwrap_or(root).join(path));
            if !folder.join("Cargo.toml").is_file() {
                continue;
            }
            manifests.push(folder.join("Cargo.toml"));
            if !found.iter().any(|known| folder.starts_with(known)) {
                // Its workspace's manifest may say more about it than its own.
                found.insert(workspace_of(&folder).unwrap_or(folder));
            }
        }
    }
    Ok(found)
}

fn manifests_under(folder: &Path, manifests: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let skipped = name == "target" || name == ".git" || name == "node_modules";
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !skipped {
            manifests_under(&entry.path(), manifests);
        } else if name == "Cargo.toml" {
            manifests.push(entry.path());
        }
    }
}

fn workspace_of(folder: &Path) -> Option<PathBuf> {
    let mut above = folder.ancestors();
    let root = above.find(|folder| {
        files::toml::<Table>(&folder.join("Cargo.toml")).is_ok_and(|manifest| manifest.contains_key("workspace"))
    });
    root.map(Path::to_owned)
}

fn path_values(value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                match value {
                    Value::String(path) if key == "path" => paths.push(path.clone()),
                    _ => path_values(value, paths),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| path_values(value, paths)),
        _ => {}
    }
}

/// A path without `.` and `..`, by its text, as cargo does it.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = normal.pop(),
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_outside_the_workspace_keep_their_place_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        let manifest = |name: &str, rest: &str| {
            files::write(&here.join(name).join("Cargo.toml"), format!("[package]\nname = \"x\"\n{rest}")).unwrap();
            files::write(&here.join(name).join("src/lib.rs"), "").unwrap();
        };
        manifest("project", "[workspace]\n[dependencies]\nbeside = { path = \"../beside\" }\n");
        manifest("beside", "[dependencies]\nfar = { path = \"../deep/down/far\" }\n");
        manifest("deep/down/far", "");
        files::write(&here.join("project/Cargo.lock"), "theirs").unwrap();
        let target = here.join("project/target");
        let shadow = Shadow::make(&here.join("project"), &target, &target.join("own")).unwrap();
        let at = shadow.of(&here.join("project"));
        assert!(at.join("../beside/src/lib.rs").is_file());
        assert!(shadow.of(&here.join("deep/down/far")).join("src/lib.rs").is_file());
        assert!(at.join("src/lib.rs").is_file() && !at.join("Cargo.lock").exists() && !at.join("target").exists());
        assert_eq!(shadow.name(&here.join("project/src")), at.join("src"));
        assert_eq!(shadow.name(&target.join("sources")), target.join("sources"), "what is built has no shadow");
        assert_eq!(shadow.name(Path::new("/elsewhere")), Path::new("/elsewhere"));
    }
}
