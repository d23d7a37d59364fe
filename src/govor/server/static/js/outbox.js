// Takes that the user kept and the server has not confirmed yet: in the browser's database, so that neither a
// dead server nor a closed page loses one. The server keeps a take once, however often it is sent.
const STORE = "takes";
let opening = null;
const memory = new Map(); // where the browser forbids databases

function open() {
  opening ??= new Promise((resolve) => {
    let asked;
    try {
      asked = indexedDB.open("govor", 1);
    } catch {
      resolve(null);
      return;
    }
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "id" });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => resolve(null);
  });
  return opening;
}

async function run(mode, action, fallback) {
  const database = await open();
  if (!database) return fallback();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const asked = action(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Store {id, phrase, speaker, gender, microphone, pcm, seconds, added, refused?}. */
export async function put(take) {
  try {
    await run("readwrite", (store) => store.put(take), () => memory.set(take.id, take));
  } catch {
    // A full disk: the take is safe only as long as the page is open.
    memory.set(take.id, take);
  }
}

export async function drop(id) {
  memory.delete(id);
  await run("readwrite", (store) => store.delete(id), () => {});
}

/** All that wait, oldest first. */
export async function waiting() {
  const stored = await run("readonly", (store) => store.getAll(), () => []);
  return [...stored, ...memory.values()].sort((one, other) => one.added - other.added);
}
