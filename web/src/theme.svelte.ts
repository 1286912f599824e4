// Light or dark? The system's choice until the reader makes one, which is kept in this browser.

type Theme = 'light' | 'dark';

const KEY = 'convsight-theme';

class Look {
  theme = $state<Theme>('light');

  listen(): () => void {
    const system = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => this.#show(chosen() ?? (system.matches ? 'dark' : 'light'));
    follow();
    system.addEventListener('change', follow);
    return () => system.removeEventListener('change', follow);
  }

  toggle(): void {
    const next = this.theme === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // a page opened from a file may have no storage; the choice then lasts until it is closed
    }
    this.#show(next);
  }

  #show(theme: Theme): void {
    this.theme = theme;
    document.documentElement.dataset.theme = theme;
  }
}

function chosen(): Theme | null {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : null;
  } catch {
    return null;
  }
}

export const look = new Look();
