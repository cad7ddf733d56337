// The link that the server printed has the secret in its fragment, which is never sent. Post it once.
const secret = new URLSearchParams(location.hash.slice(1)).get('token');
if (secret) {
  history.replaceState(null, '', '/login');
  const [form] = document.forms;
  form.secret.value = secret;
  form.submit();
}
