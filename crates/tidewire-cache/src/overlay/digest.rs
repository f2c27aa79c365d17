//! Several effects on one entity, put together as few: done to an image, they make of it what the
//! effects would one after the other.
//!
//! Only joins what is exact whatever the image is, the order of its fields included.

use tidewire_model::EffectBody;

use crate::base::Image;

/// The effects of some actions on one entity, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digest {
    steps: Vec<EffectBody>,
}

impl Digest {
    /// Adds an effect at the end.
    pub(crate) fn push(&mut self, effect: &EffectBody) {
        if matches!(effect, EffectBody::Put(_) | EffectBody::Remove) {
            self.steps.clear();
        }
        match self.steps.last_mut() {
            Some(last) if joins(last, effect) => join(last, effect),
            _ => self.steps.push(effect.clone()),
        }
    }

    /// What the effects make of an image.
    pub(crate) fn apply(&self, image: Image) -> Image {
        self.steps
            .iter()
            .fold(image, |image, effect| apply(effect, image))
    }
}

/// Whether an effect and the one after it are as well one.
fn joins(last: &EffectBody, next: &EffectBody) -> bool {
    match (last, next) {
        // What was unset and is set again moves to the end of the fields.
        (EffectBody::Merge(earlier), EffectBody::Merge(later)) => {
            let mut set_again = later.set_fields().map(|(name, _)| name);
            set_again.all(|name| !earlier.touches(name) || earlier.get(name).is_some())
        }
        (EffectBody::Put(_) | EffectBody::Remove, _) => true,
        _ => false,
    }
}

fn join(last: &mut EffectBody, next: &EffectBody) {
    match (&mut *last, next) {
        (EffectBody::Merge(earlier), EffectBody::Merge(later)) => *earlier = earlier.then(later),
        (EffectBody::Put(record), _) => {
            *last = next
                .apply(Some(record))
                .map_or(EffectBody::Remove, EffectBody::Put);
        }
        // What is gone stays so under all that does not put it anew.
        _ => {}
    }
}

/// What an effect makes of an image. What is unknown stays so, unless the effect says it all.
pub(crate) fn apply(effect: &EffectBody, image: Image) -> Image {
    match (effect, image) {
        (EffectBody::Put(_) | EffectBody::Remove, _) => effect.apply(None).into(),
        (_, Image::Unknown) => Image::Unknown,
        (_, Image::Absent) => effect.apply(None).into(),
        (_, Image::Present(record)) => effect.apply(Some(&record)).into(),
    }
}
