//! A change tells what was before, where it can.

use proptest::prelude::*;
use tidewire_model::{
    Base, Change, ChangeBody, ChangeSet, EntityId, EntityKey, Offset, Patch, Record, RecordBuilder,
    Revision,
};

use crate::strategies::{customers, patch, record};

fn change(body: ChangeBody) -> Change {
    let key = EntityKey::new(customers(), EntityId::integer(1));
    Change {
        key,
        point: Offset::ZERO,
        version: None,
        base: Base::None,
        body,
    }
}

#[test]
fn an_image_that_was_not_sent_is_not_made_up() {
    let record = RecordBuilder::new().field("a", 1).build();
    let merge = |after: Option<&Record>, was: Option<&Record>| {
        let patch = Patch::new().set("a", 1);
        change(ChangeBody::Merge {
            patch,
            after: after.cloned(),
            was: was.cloned(),
        })
        .before_image()
    };
    assert_eq!(merge(Some(&record), None), None);
    assert_eq!(merge(None, Some(&record)), None);
    assert_eq!(
        merge(Some(&record), Some(&Record::new())),
        Some(Record::new())
    );
    assert_eq!(change(ChangeBody::Stale).before_image(), None);
    assert_eq!(change(ChangeBody::Stale).after_image(), None);
    let put = change(ChangeBody::Put {
        record: record.clone(),
        was: None,
    });
    assert_eq!(
        (put.before_image(), put.after_image()),
        (None, Some(&record))
    );
    let removal = change(ChangeBody::Remove {
        was: Some(record.clone()),
    });
    assert_eq!(
        (removal.before_image(), removal.after_image()),
        (Some(record), None)
    );
}

#[test]
fn revisions_rise_by_one() {
    assert_eq!(Revision::ZERO.next(), Revision::new(1));
    assert!(Revision::new(2) > Revision::new(1));
    assert_eq!(ChangeSet::default().revision, Revision::ZERO);
}

proptest! {
    #[test]
    fn after_and_old_values_together_give_the_image_before(before in record(), patch in patch()) {
        let after = before.merge(&patch);
        let mut was = RecordBuilder::new();
        for name in patch.names() {
            if let Some(value) = before.get(name) {
                was.push(name, value);
            }
        }
        let change = change(ChangeBody::Merge { patch, after: Some(after), was: Some(was.build()) });
        prop_assert_eq!(change.before_image(), Some(before));
    }
}
