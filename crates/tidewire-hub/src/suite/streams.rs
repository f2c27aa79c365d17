//! Promises about commits, journal and snapshots.

use tidewire_model::{EntityId, Patch, RESERVED_FIELD, Record, Value, Version};
use tidewire_protocol::Op;

use super::{
    ASKER, Desk, PEOPLE, Subject, TASKS, create, delete, fields, id, kind, offset, score_of, update,
};
use crate::{MAX_ENTITY_BYTES, MAX_ENTITY_DEPTH, Write};

/// Nothing is in a backend before something is written.
pub async fn a_new_backend_is_empty(subject: &dyn Subject) {
    let backend = subject.open().await;
    let opened = backend.open().await.expect("an empty place can be opened");
    assert!(opened.heads.is_empty());
    let desk = Desk { backend };
    assert_eq!(desk.rows(TASKS).await, (offset(0), vec![]));
    assert_eq!(desk.journal(TASKS, 0).await, vec![]);
    let answer = desk.ids(TASKS, &["a"]).await;
    assert_eq!(
        (answer.as_of, answer.rows, answer.missing),
        (offset(0), vec![], vec![id("a")])
    );
}

/// A stream's offset rises by one per commit, and only where the commit touches it.
pub async fn a_commit_raises_each_of_its_streams_by_one(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let first = desk.publish(vec![create(TASKS, "a", 1)]).await;
    let both = desk
        .publish(vec![create(TASKS, "b", 1), create(PEOPLE, "p", 1)])
        .await;
    let third = desk.publish(vec![update(TASKS, "a", 2)]).await;
    let points = |commit: &crate::Commit| -> Vec<(String, u64)> {
        commit
            .streams
            .iter()
            .map(|part| (part.entity_type.to_string(), part.to.get()))
            .collect()
    };
    assert_eq!(points(&first), [(TASKS.to_owned(), 1)]);
    assert_eq!(
        points(&both),
        [(PEOPLE.to_owned(), 1), (TASKS.to_owned(), 2)],
        "in order of the type"
    );
    assert_eq!(points(&third), [(TASKS.to_owned(), 3)]);
    assert_ne!(first.id, both.id, "each commit has a name of its own");
    assert_eq!(
        desk.entity(TASKS, "b").await.map(|(_, version)| version),
        Some(offset(2))
    );
}

/// Where one write makes no sense, none is done.
pub async fn a_commit_is_whole_or_not_at_all(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let refused = desk
        .try_publish(vec![create(TASKS, "a", 1), update(PEOPLE, "nobody", 1)])
        .await;
    assert_eq!(
        refused.map_err(|refused| refused.code),
        Err("not_found".to_owned())
    );
    assert_eq!(desk.rows(TASKS).await, (offset(0), vec![]));
    assert_eq!(desk.journal(TASKS, 0).await, vec![]);
    assert_eq!(
        desk.publish(vec![create(TASKS, "a", 1)]).await.streams[0].to,
        offset(1)
    );
}

/// An update has the entity after it and the old values, a deletion the entity before it.
pub async fn changes_carry_their_images(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let made = desk.publish(vec![create(TASKS, "a", 1)]).await;
    let (a, _) = desk.entity(TASKS, "a").await.expect("it was created");
    assert_eq!(a.entity_id("id"), Ok(id("a")), "the id stands inside");
    assert_eq!(
        made.streams[0].ops,
        [Op::Created {
            entity: a.clone(),
            version: Version::new(1)
        }]
    );

    let changes = fields(&[("score", Value::from(2)), ("note", Value::Null)]);
    let unset = vec!["name".to_owned(), "nothing".to_owned()];
    let write = Write::Update {
        entity_type: kind(TASKS),
        id: id("a"),
        changes,
        unset,
    };
    let changed = desk.publish(vec![write]).await;
    let (after, version) = desk.entity(TASKS, "a").await.expect("it is there");
    assert_eq!(
        after,
        a.with("score", 2).with("note", Value::Null).without("name")
    );
    assert_eq!(version, offset(2));
    let op = Op::Updated {
        id: id("a"),
        version: Version::new(2),
        base: Version::new(1),
        changes: Patch::new()
            .set("score", 2)
            .set("note", Value::Null)
            .unset("name"),
        entity: Some(after.clone()),
        was: Some(fields(&[
            ("score", Value::from(1)),
            ("name", Value::from("a")),
        ])),
    };
    assert_eq!(
        changed.streams[0].ops,
        [op],
        "what was unset and not there is no change"
    );

    let gone = desk.publish(vec![delete(TASKS, "a")]).await;
    assert_eq!(
        gone.streams[0].ops,
        [Op::Deleted {
            id: id("a"),
            version: Version::new(3),
            was: Some(after)
        }]
    );
}

/// All changes of a commit have one point, so an entity changes once in it.
pub async fn several_writes_to_one_entity_are_one_change(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let commit = desk
        .publish(vec![
            create(TASKS, "a", 1),
            update(TASKS, "a", 2),
            create(TASKS, "b", 1),
        ])
        .await;
    let scores = |commit: &crate::Commit| -> Vec<Option<i64>> {
        let of = |op: &Op| match op {
            Op::Created { entity, .. } => score_of(entity),
            Op::Updated { entity, .. } => entity.as_ref().and_then(score_of),
            _ => None,
        };
        commit.streams[0].ops.iter().map(of).collect()
    };
    assert_eq!(scores(&commit), [Some(2), Some(1)]);
    let commit = desk
        .publish(vec![
            delete(TASKS, "a"),
            create(TASKS, "a", 5),
            delete(TASKS, "b"),
        ])
        .await;
    assert!(
        matches!(
            commit.streams[0].ops[..],
            [Op::Updated { .. }, Op::Deleted { .. }]
        ),
        "{commit:?}"
    );
    assert_eq!(scores(&commit)[0], Some(5));
}

/// No point is used up for nothing.
pub async fn what_stays_as_it_is_makes_no_commit(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    desk.publish(vec![create(TASKS, "a", 1)]).await;
    for writes in [
        vec![],
        vec![update(TASKS, "a", 1)],
        vec![delete(TASKS, "b")],
        vec![create(TASKS, "b", 1), delete(TASKS, "b")],
    ] {
        assert_eq!(desk.try_publish(writes).await, Ok(None));
    }
    assert_eq!(desk.rows(TASKS).await.0, offset(1));
    let (entity, _) = desk.entity(TASKS, "a").await.expect("it is there");
    let put = Write::Put {
        entity_type: kind(TASKS),
        id: id("a"),
        entity: entity.clone(),
    };
    assert_eq!(desk.try_publish(vec![put]).await, Ok(None));
    let put = Write::Put {
        entity_type: kind(TASKS),
        id: id("a"),
        entity: entity.without("score"),
    };
    assert!(
        matches!(desk.try_publish(vec![put]).await, Ok(Some(_))),
        "a put replaces the whole entity"
    );
}

/// A version rises across deletion and creation.
pub async fn an_entity_made_again_has_a_higher_version(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    desk.publish(vec![create(TASKS, "a", 1)]).await;
    desk.publish(vec![delete(TASKS, "a")]).await;
    desk.publish(vec![create(TASKS, "a", 1)]).await;
    assert_eq!(
        desk.entity(TASKS, "a").await.map(|(_, version)| version),
        Some(offset(3))
    );
}

/// `7` and `"7"` are one id, and it is written as it came first.
pub async fn ids_keep_their_kind(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let entity = fields(&[("score", Value::from(1))]);
    let write = Write::Create {
        entity_type: kind(TASKS),
        id: Some(EntityId::integer(7)),
        entity,
    };
    desk.publish(vec![write]).await;
    let commit = desk.publish(vec![update(TASKS, "7", 2)]).await;
    let (entity, _) = desk.entity(TASKS, "7").await.expect("it was created");
    assert_eq!(
        entity.get("id").map(|value| value.to_value()),
        Some(Value::from(7))
    );
    let Op::Updated { id, .. } = &commit.streams[0].ops[0] else {
        panic!("{commit:?}")
    };
    assert!(id.is_integer());
    assert_eq!(score_of(&entity), Some(2));
}

/// What would not fit a frame, or would not be read back as it is, is refused.
pub async fn entities_beyond_the_bounds_are_refused(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let large = "x".repeat(MAX_ENTITY_BYTES);
    let deep = (0..MAX_ENTITY_DEPTH).fold(Value::from(1), |inner, _| Value::List(vec![inner]));
    let reserved = Value::List(vec![Value::object([(RESERVED_FIELD, Value::from("5"))])]);
    let refused = [
        (Value::from(large), "too_large"),
        (deep, "too_deep"),
        (reserved, "reserved_field"),
    ];
    for (value, code) in refused {
        let entity = fields(&[("value", value)]);
        let write = Write::Create {
            entity_type: kind(TASKS),
            id: Some(id("a")),
            entity,
        };
        assert_eq!(
            desk.try_publish(vec![write])
                .await
                .map_err(|refused| refused.code),
            Err(code.to_owned())
        );
    }
    let deepest =
        (0..MAX_ENTITY_DEPTH - 1).fold(Value::from(1), |inner, _| Value::List(vec![inner]));
    let entity = fields(&[("value", deepest)]);
    let write = Write::Create {
        entity_type: kind(TASKS),
        id: Some(id("a")),
        entity: entity.clone(),
    };
    desk.publish(vec![write]).await;
    let stored = desk
        .entity(TASKS, "a")
        .await
        .map(|(stored, _)| stored.without("id"));
    assert_eq!(
        stored,
        Some(entity),
        "what is within the bounds comes back as it was"
    );
}

/// The journal gives every commit as it was given first, oldest first.
pub async fn the_journal_has_every_commit(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let mut commits = Vec::new();
    for number in 0..7 {
        let mut writes = vec![create(TASKS, &format!("t{number}"), number)];
        if number % 3 == 0 {
            writes.push(create(PEOPLE, &format!("p{number}"), number));
        }
        if number > 0 {
            writes.push(update(TASKS, "t0", number));
        }
        commits.push(desk.publish(writes).await);
    }
    assert_eq!(desk.journal(TASKS, 0).await, commits);
    assert_eq!(desk.journal(TASKS, 4).await, commits[4..]);
    assert_eq!(desk.journal(TASKS, 7).await, vec![]);
    let people: Vec<_> = commits
        .iter()
        .filter(|commit| commit.streams.len() == 2)
        .cloned()
        .collect();
    assert_eq!(desk.journal(PEOPLE, 0).await, people);
    let two = desk
        .backend
        .journal(ASKER, &kind(TASKS), offset(2), 2)
        .await;
    assert_eq!(two, Ok(Some(commits[2..4].to_vec())));
}

/// All rows of a snapshot speak for its point, whatever is written meanwhile.
pub async fn a_snapshot_is_one_point_while_writes_go_on(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let names: Vec<String> = (0..20).map(|number| format!("e{number:02}")).collect();
    desk.publish(names.iter().map(|name| create(TASKS, name, 0)).collect())
        .await;
    let before = desk.rows(TASKS).await;
    let mut snapshot = desk
        .backend
        .snapshot(&kind(TASKS))
        .await
        .expect("storage works");
    assert_eq!(snapshot.as_of(), offset(1));
    let mut rows: Vec<(Record, tidewire_model::Offset)> = Vec::new();
    for round in 0.. {
        let some = snapshot.next(3).await.expect("storage works");
        if some.is_empty() {
            break;
        }
        rows.extend(some);
        let name = &names[(round * 7) % names.len()];
        let other = format!("new-{round}");
        let turn = i64::try_from(round).unwrap_or(0) + 1;
        desk.publish(vec![update(TASKS, name, turn), create(TASKS, &other, turn)])
            .await;
        desk.publish(vec![delete(TASKS, &other)]).await;
    }
    assert_eq!(
        (offset(1), rows),
        before,
        "in order of the id, at the point named"
    );
}

/// Entities, heads, epoch and journal survive.
pub async fn everything_is_there_after_opening_again(subject: &dyn Subject) {
    let first = subject.open().await;
    let opened = first.open().await.expect("an empty place can be opened");
    let desk = Desk { backend: first };
    desk.publish(vec![create(TASKS, "a", 1), create(PEOPLE, "p", 1)])
        .await;
    desk.publish(vec![update(TASKS, "a", 2)]).await;
    let before = (
        desk.rows(TASKS).await,
        desk.rows(PEOPLE).await,
        desk.journal(TASKS, 0).await,
    );
    drop(desk);
    let second = subject.open().await;
    let again = second.open().await.expect("it can be opened again");
    assert_eq!(
        again.epoch, opened.epoch,
        "nothing was lost, so the epoch is the same"
    );
    assert_eq!(
        again.heads,
        [(kind(TASKS), offset(2)), (kind(PEOPLE), offset(1))].into()
    );
    let desk = Desk { backend: second };
    let after = (
        desk.rows(TASKS).await,
        desk.rows(PEOPLE).await,
        desk.journal(TASKS, 0).await,
    );
    assert_eq!(after, before);
    assert_eq!(
        desk.publish(vec![update(TASKS, "a", 3)]).await.streams[0].to,
        offset(3)
    );
}
