// The search form is the state of the page: its fields are the parameters of the page's address and of the API.

import { $, element } from './dom.js';

export class Form {
  /** Callbacks: `changed()` after a choice, `typed()` while typing. */
  constructor(form, { changed, typed }) {
    this.form = form;
    this.changed = changed;
    this.terms = $('#terms', form);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.close();
      changed();
    });
    form.addEventListener('input', ({ target }) => (target.name === 'q' ? typed() : this.describe()));
    form.addEventListener('change', ({ target }) => target.name && target.name !== 'q' && changed());
    form.addEventListener('click', ({ target }) => this.#clicked(target));
    document.addEventListener('pointerdown', ({ target }) => target.closest('.chip') ?? this.close());
    form.addEventListener('keydown', (event) => {
      const open = $('details[open]', form);
      if (event.key !== 'Escape' || !open) return;
      this.close();
      $('summary', open).focus();
    });
  }

  /** The parameters that are not empty. */
  parameters() {
    const given = [...new FormData(this.form)].filter(([, value]) => value.trim());
    return new URLSearchParams(given);
  }

  /** Fills the form with parameters. */
  fill(parameters) {
    for (const field of this.form.elements) {
      if (field.name && field.type !== 'hidden') field.value = parameters.get(field.name) ?? '';
    }
    this.terms.replaceChildren();
    for (const name of ['like', 'minus']) for (const id of parameters.getAll(name)) this.add(name, id);
    this.describe();
  }

  /** Adds a photo to the search. */
  add(name, id) {
    for (const term of [...this.terms.children]) if ($('input', term)?.value === id) term.remove();
    const what = name === 'like' ? 'like this photo' : 'not like this photo';
    const field = element('input', { type: 'hidden', name, value: id });
    this.terms.append(this.#term(`/api/v1/photos/${id}/thumbnail`, name === 'like' ? '+' : '−', what, field));
  }

  /** Sets the picture that was dropped, pasted or chosen. */
  set picture(picture) {
    URL.revokeObjectURL(this.url);
    $('.upload', this.terms)?.remove();
    this.upload = picture;
    if (!picture) return;
    this.url = URL.createObjectURL(picture);
    const term = this.#term(this.url, '+', 'like your picture');
    term.classList.add('upload');
    this.terms.prepend(term);
  }
  get picture() {
    return this.upload;
  }

  #term(src, sign, what, ...field) {
    const remove = element('button', { type: 'button', className: 'remove', textContent: '×', ariaLabel: `Remove: ${what}` });
    return element('span', { className: 'term' }, ...field, sign, element('img', { src, alt: what }), remove);
  }

  #clicked(target) {
    if (target.className === 'remove') {
      const term = target.closest('.term');
      if (term.classList.contains('upload')) this.picture = null;
      term.remove();
    } else if (target.className === 'clear') {
      for (const field of fields(target.parentNode)) field.value = '';
    } else return;
    this.changed();
  }

  /** Clears everything except the text. */
  clear() {
    for (const field of fields(this.form)) if (field.name !== 'q') field.value = '';
    this.terms.replaceChildren();
    this.picture = null;
  }

  close() {
    for (const open of this.form.querySelectorAll('details[open]')) open.open = false;
  }

  /** Shows on each chip the value of its filter. */
  describe() {
    for (const chip of this.form.querySelectorAll('.chip')) {
      const values = fields(chip).map((field) => {
        const shown = field.selectedOptions?.[0].text ?? field.value;
        return field.value && (field.dataset.says ?? '') + shown;
      });
      const said = values.filter(Boolean).join(' ');
      const summary = $('summary', chip);
      summary.textContent = said || summary.dataset.name;
      chip.classList.toggle('on', Boolean(said));
      $('.clear', chip).hidden = !said;
    }
  }
}

const fields = (within) => [...within.querySelectorAll('input:not([type=hidden], [type=file]), select')];
