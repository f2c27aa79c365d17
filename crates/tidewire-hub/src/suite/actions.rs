//! Promises about actions.

use std::collections::BTreeMap;

use tidewire_model::{EntityId, Lane, Value, ValueRef};
use tidewire_protocol::Class;

use super::{
    Act, Desk, PEOPLE, Subject, TASKS, applied, create, delete, fields, id, kind, offset, refused,
    score_of, update,
};
use crate::{ActionOutcome, Answer, MAX_ACTION_BYTES, Refused, Write, WriteOutcome, WriteRequest};

/// The same number again gives the stored answer and no second effect.
pub async fn an_action_is_done_once(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    let act = Act::new(1, vec![create(TASKS, "a", 1)]);
    let (outcome, commit) = desk.act(&client, &act).await;
    let ActionOutcome::New(answer) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        applied(&answer),
        &BTreeMap::from([(kind(TASKS), offset(1))])
    );
    let Answer::Applied { rows, .. } = &answer else {
        panic!("{answer:?}")
    };
    let (row, version) = desk.entity(TASKS, "a").await.expect("it was created");
    assert_eq!(rows, &[(kind(TASKS), row, version)]);
    assert_eq!(commit.map(|commit| commit.streams[0].to), Some(offset(1)));

    desk.publish(vec![update(TASKS, "a", 9)]).await;
    for _ in 0..2 {
        let (outcome, commit) = desk.act(&client, &act).await;
        assert_eq!(
            outcome,
            ActionOutcome::Stored(answer.clone().without_rows()),
            "as it was then, and without rows that are no longer so"
        );
        assert_eq!(commit, None);
    }
    assert_eq!(desk.rows(TASKS).await.0, offset(2));
}

/// What an action changes is bounded in all, since everybody waits for it; what the application writes is not.
pub async fn an_action_that_changes_too_much_is_refused(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    let large = 200 * 1024;
    let most = MAX_ACTION_BYTES / large + 1;
    let name = |number: usize| format!("t{number:03}");
    for number in 0..most {
        let text = Value::from("x".repeat(large));
        let write = Write::Create {
            entity_type: kind(TASKS),
            id: Some(id(&name(number))),
            entity: fields(&[("text", text)]),
        };
        desk.publish(vec![write]).await;
    }
    let all = |score| -> Vec<Write> {
        let writes = (0..most).map(|number| update(TASKS, &name(number), score));
        writes.collect()
    };
    let (outcome, commit) = desk.act(&client, &Act::new(1, all(1))).await;
    let ActionOutcome::New(answer) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refused(&answer), "too_large");
    assert_eq!(commit, None);
    let (outcome, _) = desk.act(&client, &Act::new(2, all(2).split_off(2))).await;
    assert!(matches!(
        outcome,
        ActionOutcome::New(Answer::Applied { .. })
    ));
    desk.publish(all(3)).await;
}

/// Items of a group see what those before them did, and a refused one disturbs nobody.
pub async fn a_group_is_done_in_order(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    let outcomes = desk
        .write(vec![
            WriteRequest::Publish(vec![create(TASKS, "a", 1)]),
            Act::new(1, vec![update(TASKS, "a", 2)]).request(&client),
            Act::new(
                2,
                vec![update(TASKS, "nobody", 1), create(TASKS, "left", 1)],
            )
            .request(&client),
            Act::new(3, vec![create(TASKS, "b", 1)]).request(&client),
            WriteRequest::Publish(vec![update(TASKS, "nobody", 1)]),
            Act::new(3, vec![create(TASKS, "b", 1)]).request(&client),
            WriteRequest::Publish(vec![delete(TASKS, "a")]),
        ])
        .await;
    let points: Vec<Option<u64>> = outcomes
        .iter()
        .map(|outcome| {
            let commit = match outcome {
                WriteOutcome::Action { commit, .. } => commit.as_ref(),
                WriteOutcome::Published(result) => result.as_ref().ok().and_then(Option::as_ref),
            };
            commit.map(|commit| commit.streams[0].to.get())
        })
        .collect();
    assert_eq!(
        points,
        [Some(1), Some(2), None, Some(3), None, None, Some(4)]
    );
    assert!(
        matches!(&outcomes[2], WriteOutcome::Action { outcome: ActionOutcome::New(answer), .. }
            if refused(answer) == "not_found")
    );
    assert!(matches!(&outcomes[4], WriteOutcome::Published(Err(_))));
    assert!(matches!(
        &outcomes[5],
        WriteOutcome::Action {
            outcome: ActionOutcome::Stored(_),
            ..
        }
    ));
    let left: Vec<_> = desk
        .rows(TASKS)
        .await
        .1
        .iter()
        .map(|(row, _)| row.entity_id("id"))
        .collect();
    assert_eq!(left, [Ok(id("b"))]);
}

/// A refusal is an answer like any other: stored, and given again.
pub async fn a_refused_action_uses_its_number_up(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    let message = "not you".to_owned();
    let forbidden = Refused {
        class: Class::Permanent,
        code: "forbidden".to_owned(),
        message: message.clone(),
    };
    let act = Act {
        writes: Err(forbidden),
        ..Act::new(1, vec![])
    };
    let expected = Answer::Refused {
        class: Class::Permanent,
        code: "forbidden".to_owned(),
        message,
        rows: vec![],
    };
    assert_eq!(
        desk.act(&client, &act).await,
        (ActionOutcome::New(expected.clone()), None)
    );
    assert_eq!(
        desk.act(&client, &act).await,
        (ActionOutcome::Stored(expected), None)
    );
    let (outcome, _) = desk
        .act(&client, &Act::new(2, vec![update(TASKS, "nobody", 1)]))
        .await;
    assert!(
        matches!(&outcome, ActionOutcome::New(answer) if refused(answer) == "not_found"),
        "{outcome:?}"
    );
    let (outcome, _) = desk
        .act(&client, &Act::new(3, vec![create(TASKS, "a", 1)]))
        .await;
    assert!(
        matches!(outcome, ActionOutcome::New(Answer::Applied { .. })),
        "{outcome:?}"
    );
}

/// A number stands for one content.
pub async fn other_content_under_a_used_number_is_refused(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    desk.act(&client, &Act::new(1, vec![create(TASKS, "a", 1)]))
        .await;
    let other = Act {
        hash: "other",
        ..Act::new(1, vec![create(TASKS, "b", 1)])
    };
    assert_eq!(
        desk.act(&client, &other).await,
        (ActionOutcome::OtherContent, None)
    );
    assert_eq!(desk.entity(TASKS, "b").await, None);
}

/// An action is done only right behind the one that it names as sent before it.
pub async fn an_action_out_of_order_changes_nothing(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    desk.act(&client, &Act::new(1, vec![create(TASKS, "a", 1)]))
        .await;
    let early = Act::new(3, vec![create(TASKS, "b", 1)]);
    assert_eq!(
        desk.act(&client, &early).await,
        (ActionOutcome::OutOfOrder { last_seq: 1 }, None)
    );
    assert_eq!(desk.rows(TASKS).await.0, offset(1));
    // Numbers in between may have been given up by the client, as long as it says so.
    let behind = Act {
        previous: 1,
        ..early
    };
    let (outcome, _) = desk.act(&client, &behind).await;
    assert!(
        matches!(outcome, ActionOutcome::New(Answer::Applied { .. })),
        "{outcome:?}"
    );
}

/// Each lane counts for itself.
pub async fn lanes_do_not_wait_for_each_other(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    let side = Lane::new("uploads").expect("it is a name");
    for (seq, lane) in [
        (1, Lane::main()),
        (1, side.clone()),
        (2, side),
        (2, Lane::main()),
    ] {
        let name = format!("{lane}-{seq}");
        let act = Act {
            lane,
            ..Act::new(seq, vec![create(TASKS, &name, 1)])
        };
        let (outcome, _) = desk.act(&client, &act).await;
        assert!(
            matches!(outcome, ActionOutcome::New(Answer::Applied { .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(desk.rows(TASKS).await.1.len(), 4);
}

/// A write made on one version is not done on another, and the answer has the entity as it is.
pub async fn an_action_on_another_version_is_a_conflict(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    desk.publish(vec![create(TASKS, "a", 1)]).await;
    desk.publish(vec![update(TASKS, "a", 2)]).await;
    let on = |seq, base| Act {
        base: Some(base),
        ..Act::new(seq, vec![update(TASKS, "a", 50)])
    };
    let (outcome, commit) = desk.act(&client, &on(1, 1)).await;
    let ActionOutcome::New(Answer::Refused {
        class, code, rows, ..
    }) = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (class, code.as_str(), commit),
        (Class::Conflict, "base_mismatch", None)
    );
    let (row, version) = desk.entity(TASKS, "a").await.expect("it is there");
    assert_eq!(rows, [(kind(TASKS), row, version)]);
    let (outcome, _) = desk.act(&client, &on(2, 2)).await;
    assert!(
        matches!(outcome, ActionOutcome::New(Answer::Applied { .. })),
        "{outcome:?}"
    );
    let gone = Act {
        base: Some(3),
        ..Act::new(3, vec![update(TASKS, "nobody", 1)])
    };
    let (outcome, _) = desk.act(&client, &gone).await;
    assert!(
        matches!(&outcome, ActionOutcome::New(answer) if refused(answer) == "base_mismatch"),
        "{outcome:?}"
    );
    let entity = desk.entity(TASKS, "a").await.expect("it is there").0;
    assert_eq!(score_of(&entity), Some(50));
}

/// The client learns what is there.
pub async fn creating_what_exists_is_a_conflict(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    desk.publish(vec![create(TASKS, "a", 1)]).await;
    let (outcome, _) = desk
        .act(&client, &Act::new(1, vec![create(TASKS, "a", 2)]))
        .await;
    let ActionOutcome::New(Answer::Refused {
        class, code, rows, ..
    }) = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (class, code.as_str(), rows.len()),
        (Class::Conflict, "exists", 1)
    );
    assert_eq!(
        desk.entity(TASKS, "a").await.map(|(row, _)| score_of(&row)),
        Some(Some(1))
    );
}

/// A temporary id is replaced wherever the same writes mention it as a whole value.
pub async fn ids_are_made_for_temporary_ones(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    let made = |text: &str| EntityId::text(text).expect("it is an id");
    let person = fields(&[("name", Value::from("tmp_p is not only an id"))]);
    let task = fields(&[
        ("owner", Value::from("tmp_p")),
        ("watchers", Value::from(vec!["tmp_p", "x", "tmp_other"])),
        ("inside", Value::object([("by", "tmp_p")])),
    ]);
    let anonymous = Write::Create {
        entity_type: kind(TASKS),
        id: None,
        entity: fields(&[("n", Value::from(1))]),
    };
    let writes = vec![
        Write::Create {
            entity_type: kind(TASKS),
            id: Some(id("t")),
            entity: task,
        },
        Write::Create {
            entity_type: kind(PEOPLE),
            id: Some(made("tmp_p")),
            entity: person,
        },
        update(PEOPLE, "tmp_p", 4),
        anonymous,
    ];
    let (outcome, commit) = desk.act(&client, &Act::new(1, writes)).await;
    let ActionOutcome::New(Answer::Applied { replaced, rows, .. }) = outcome else {
        panic!("{outcome:?}")
    };
    let real = replaced
        .get(&made("tmp_p"))
        .expect("it was replaced")
        .clone();
    assert!(!real.is_temporary() && replaced.len() == 1);
    assert_eq!(
        commit.expect("it changes something").actions[0].replaced,
        replaced
    );
    assert_eq!(rows.len(), 3);

    let (person, _) = desk
        .entity(PEOPLE, real.as_str())
        .await
        .expect("it has the id made for it");
    assert_eq!(person.entity_id("id"), Ok(real.clone()));
    assert_eq!(score_of(&person), Some(4), "later writes found it");
    assert_eq!(
        person.get("name").and_then(ValueRef::as_text),
        Some("tmp_p is not only an id")
    );
    let (task, _) = desk.entity(TASKS, "t").await.expect("it was created");
    let text = |path: &str| {
        task.path(path)
            .and_then(ValueRef::as_text)
            .map(str::to_owned)
    };
    assert_eq!(
        (text("owner"), text("inside.by")),
        (Some(real.to_string()), Some(real.to_string()))
    );
    let watchers = task.get("watchers").map(|value| value.to_value());
    assert_eq!(
        watchers,
        Some(Value::from(vec![real.as_str(), "x", "tmp_other"]))
    );
}

/// Subscribers recognise their own writes by the action's id.
pub async fn a_commit_names_its_action(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    let act = Act::new(1, vec![create(TASKS, "a", 1), create(PEOPLE, "p", 1)]);
    let (_, commit) = desk.act(&client, &act).await;
    let commit = commit.expect("it changes something");
    let named: Vec<_> = commit.actions.iter().map(|echo| echo.id).collect();
    assert_eq!(named, [act.id()]);
    assert_eq!(
        desk.journal(TASKS, 0).await,
        [commit],
        "and the journal repeats it"
    );
    let published = desk.publish(vec![create(TASKS, "b", 1)]).await;
    assert_eq!(published.actions, []);
}
